"""What may be missing: packages that `pip install equigrasp` alone does not bring.

`pyproject.toml` sorts them into extras; this table says which extra brings which module, so that a
missing one is named with the line that installs it.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType

EXTRAS = {
    "view": ("matplotlib", "mcubes", "scipy", "skimage", "trimesh", "viser"),
    "train": ("hydra", "lightning", "omegaconf", "roma", "scipy", "tensorboard", "tqdm"),
    "policy": ("diffusers", "scipy", "transformers"),
    "sim": (
        *("coacd", "manifold3d", "matplotlib", "mcubes", "mujoco", "open3d", "pybullet", "scipy"),
        *("skimage", "tqdm", "trimesh"),
    ),
    "ray": ("ray",),
    "serve": (),
    "onnx": ("onnx", "onnxscript"),
    "keysteps": ("lmdb", "msgpack"),
    "pusht": ("gym_pusht", "numcodecs", "pyarrow", "shapely"),
    "videos": ("av",),
    "rerun": ("pyarrow", "rerun"),
    "oracle": ("escnn", "e2cnn", "lie_learn"),
}
"""Modules that an extra brings."""
PYBULLET_PYTHONS = ((3, 10), (3, 11))
"""Versions of CPython for which PyBullet has wheels; `pyproject.toml` asks for it on no other."""
MCUBES_PYTHON = (3, 12)
"""Last version of CPython for which PyMCubes has wheels."""
ESCNN_LINE = (
    "pip install 'numpy<2' e2cnn lie_learn joblib pymanopt autograd scipy && "
    "pip install --no-deps escnn==1.0.11"
)
"""Its own dependencies would have pip build py3nj with Fortran, which escnn never needs here."""


def extra_of(module: str) -> str | None:
    """The extra that brings a module (the first in the table), None if none does."""
    package = module.partition(".")[0]
    return next((extra for extra, modules in EXTRAS.items() if package in modules), None)


def remedy(
    module: str, extra: str | None = None, *, python: tuple[int, int] = sys.version_info[:2]
) -> str:
    """The line that installs a module on a version of Python, or what to do where no line does."""
    extra = extra or extra_of(module)
    if module == "pybullet" and python not in PYBULLET_PYTHONS:
        return "use CPython 3.10 or 3.11 (PyBullet has wheels for no later one)"
    if module == "mcubes" and python > MCUBES_PYTHON:
        return "pip install PyMCubes (it has no wheel for this Python, and wants a C++ compiler)"
    if extra == "oracle":
        return ESCNN_LINE
    return f"pip install 'equigrasp[{extra}]'" if extra else f"pip install {module}"


def require(module: str, purpose: str, extra: str | None = None) -> ModuleType:
    """Import an optional module.

    Args:
        module: its name, dots included.
        purpose: what needs it, for the message: "the interactive viewer".
        extra: that brings it, where the first of the table is not the one to name.

    Raises:
        ImportError: it is missing or broken; the message says what needs it, and the line that
            installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        why = "is not installed" if find_spec(package) is None else f"cannot be imported ({error})"
        raise ImportError(
            f"{purpose} needs {package}, which {why}: {remedy(package, extra)}", name=package
        ) from error


def require_extra(extra: str, purpose: str, *, but: tuple[str, ...] = ()) -> None:
    """Refuse to begin something for which modules of an extra are missing; imports nothing.

    Args:
        extra: a key of `EXTRAS`.
        purpose: what needs it, for the message.
        but: modules that are asked for later.

    Raises:
        ImportError: naming all that are missing, and the line that installs them.
    """
    missing = [name for name in EXTRAS[extra] if name not in but and find_spec(name) is None]
    if missing:
        names, line = " and ".join(missing), remedy(missing[0], extra)
        raise ImportError(f"{purpose} needs {names}: {line}", name=missing[0])


def explained(error: ImportError) -> str:
    """A missing module's error with the line that installs it, where the table knows one."""
    known = error.name and extra_of(error.name)
    if not known or "pip install" in str(error):
        return str(error)
    return f"{error}: {remedy(error.name.partition('.')[0])}"
