"""Fresh environments with the wheel of this tree in them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = (
    *("equigrasp", "sim", "data_gen", "configs", "scripts"),
    *("pyproject.toml", "README.md", "LICENSE"),
)
"""What a wheel is made from."""
BUILD = (
    "import sys; sys.path.insert(0, 'scripts'); import build_backend; "
    "build_backend.build_wheel(sys.argv[1])"
)


def build_wheel(folder: Path) -> Path:
    """The wheel of this tree, built in a folder, so that the tree stays as it is.

    Raises:
        RuntimeError: the build failed; with what it said.
    """
    source = folder / "source"
    source.mkdir(parents=True)
    for name in FILES:
        (source / name).symlink_to(ROOT / name)
    run([sys.executable, "-c", BUILD, str(folder)], source)
    return next(folder.glob("*.whl"))


def make_environment(folder: Path, python: str = sys.executable) -> Path:
    """A new environment without anything in it, pip included; the path of its interpreter."""
    run([python, "-m", "venv", "--without-pip", str(folder)], folder.parent)
    return folder / "bin" / "python"


def install(python: Path, *arguments: str, seconds: float | None = None) -> None:
    """Let the pip of this environment install into another one, in so many seconds at most.

    Raises:
        RuntimeError: with what pip said.
        subprocess.TimeoutExpired: it took longer.
    """
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q"]
    run([*pip, *arguments], python.parent, seconds=seconds)


def site_packages(python: Path) -> Path:
    """Where an environment keeps its packages."""
    return next((python.parents[1] / "lib").glob("python*/site-packages"))


def borrow_packages(python: Path) -> None:
    """Let an environment import the packages of this one, but none that is installed editable."""
    (site_packages(python) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")


def run(
    command: Sequence[str],
    folder: Path,
    status: int = 0,
    extra: Mapping[str, str] = {},
    seconds: float | None = None,
) -> str:
    """Run a command without a way to this tree; what it said.

    Args:
        command: to be run.
        folder: in which.
        status: that it ends with.
        extra: variables of its environment.
        seconds: that it may take; None for as many as it takes.

    Raises:
        RuntimeError: it ended with another; with what it said.
        subprocess.TimeoutExpired: it took longer, and was ended with all that it started.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"OMP_NUM_THREADS": "1", **extra}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=True, **pipes
    ) as process:
        try:
            said = "".join(process.communicate(timeout=seconds))
        except BaseException:  # too late, or Ctrl-C
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode != status:
        raise RuntimeError(f"{command} ended with status {process.returncode}:\n{said}")
    return said
