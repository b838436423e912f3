"""PEP 517 backend: setuptools, a wheel without names that clash, and one early, clear stop.

In the repository the programs stand in folders of their own (`sim`, `data_gen`, `configs`). A wheel
that installed these would take names from everybody; in ours they lie below
`equigrasp/programs`, see `equigrasp.home`.

escnn 1.0.11, of the extras `oracle` and `dev`, asks for py3nj, which has no wheel and needs a
Fortran compiler to build. equigrasp never calls it: the override in ``pyproject.toml``
(``[tool.uv]``) leaves it out, but pip knows no overrides. Without this file pip would download
torch and the rest first and then fail inside py3nj's build; with it, pip stops at once and prints
the one line that mends it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from setuptools import build_meta as _setuptools
from setuptools.build_meta import (  # noqa: F401  (the hooks that need no check)
    build_editable,
    build_sdist,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

FORTRAN_COMPILERS = ("gfortran", "flang", "flang-new", "ifx", "ifort")
PACKAGE, FOLDER = "equigrasp", "equigrasp/programs"
"""What the wheel installs, and where in it the other folders go."""
WITH_ESCNN = {"oracle", "dev"}
"""Extras that bring escnn."""


def get_requires_for_build_wheel(config_settings: dict[str, Any] | None = None) -> list[str]:
    """PEP 517 hook; the first that pip calls for a wheel."""
    _check_installer(editable=False)
    return _setuptools.get_requires_for_build_wheel(config_settings)


def get_requires_for_build_editable(config_settings: dict[str, Any] | None = None) -> list[str]:
    """PEP 660 hook; the first that pip calls for an editable installation."""
    _check_installer(editable=True)
    return _setuptools.get_requires_for_build_editable(config_settings)


def build_wheel(
    wheel_directory: str,
    config_settings: dict[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """PEP 517 hook: the wheel of setuptools, with every other folder moved into the package."""
    name = _setuptools.build_wheel(wheel_directory, config_settings, metadata_directory)
    move_programs(Path(wheel_directory) / name)
    return name


def move_programs(wheel: Path) -> None:
    """Move what a wheel would install beside the package to `FOLDER`, and mend its lists."""
    with zipfile.ZipFile(wheel) as packed:
        files = {_place(info): (info, packed.read(info)) for info in packed.infolist()}
    record = next(name for name in files if name.endswith(".dist-info/RECORD"))
    names = record.replace("RECORD", "top_level.txt")
    if names in files:
        files[names] = files[names][0], f"{PACKAGE}\n".encode()
    lines = [_line(name, data) for name, (_, data) in files.items() if name != record]
    files[record] = files[record][0], "\n".join([*lines, f"{record},,", ""]).encode()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, (info, data) in files.items():
            info.filename = name
            packed.writestr(info, data, zipfile.ZIP_DEFLATED)


def _place(info: zipfile.ZipInfo) -> str:
    top = info.filename.split("/")[0]
    stays = top == PACKAGE or top.endswith((".dist-info", ".data"))
    return info.filename if stays else f"{FOLDER}/{info.filename}"


def _line(name: str, data: bytes) -> str:
    """Of RECORD: name, digest, bytes."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}"


def _check_installer(editable: bool) -> None:
    """Stop a pip install that is bound to fail; every other front end passes through."""
    if "PIP_BUILD_TRACKER" not in os.environ:  # set by pip for its builds, by nobody else
        return
    asked = _arguments_of_pip()
    if not _extras(asked) & WITH_ESCNN or _dependencies_are_left_out(asked) or os.environ.get("FC"):
        return
    if any(shutil.which(compiler) for compiler in FORTRAN_COMPILERS) or _py3nj_needs_no_build():
        return
    project, python = Path.cwd(), sys.executable
    extras = ",".join(sorted(_extras(asked)))
    target = f"{'-e ' if editable else ''}'{project}[{extras}]'"
    _stop(
        "plain pip cannot install this extra of equigrasp without a Fortran compiler (escnn asks "
        "for py3nj, which equigrasp never uses; uv leaves it out). Run this line instead:",
        f"cd {project} && {python} -m pip install uv torch==2.13.0 && "
        f"{python} -m uv pip install --python {python} {target}",
    )


def _arguments_of_pip() -> list[str]:
    """The command line of the hook's parent process, which is pip itself."""
    try:
        return Path(f"/proc/{os.getppid()}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return []


def _extras(asked: list[str]) -> set[str]:
    """Extras that are asked for: those in brackets at the end of an argument."""
    found = [re.search(r"\[([\w, -]+)\]$", argument) for argument in asked]
    return {name.strip() for match in found if match for name in match[1].split(",")}


def _dependencies_are_left_out(asked: list[str]) -> bool:
    off = os.environ.get("PIP_NO_DEPS", "").lower() in {"1", "true", "yes", "on"}
    return off or "--no-deps" in asked


def _py3nj_needs_no_build() -> bool:
    """Ask pip, with the user's own indexes, whether py3nj is installed or comes as a wheel."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONPATH", "PYTHONNOUSERSITE", "PIP_BUILD_TRACKER"}
    }
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--retries=0", "--timeout=5", "py3nj"]
    try:
        finished = subprocess.run(command, env=environment, capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return finished.returncode == 0


def _stop(reason: str, remedy: str) -> None:
    print(f"\n*** {reason}\n\n    {remedy}\n", file=sys.stderr, flush=True)
    raise SystemExit(1)
