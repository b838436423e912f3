"""PEP 517 backend: setuptools, plus one early stop under plain pip.

escnn 1.0.11 asks for py3nj, which has no wheel and needs a Fortran compiler to build. equigrasp
never calls it: the override in ``pyproject.toml`` (``[tool.uv]``) leaves it out, but pip knows no
overrides. Without this file pip would download torch and the rest first and then fail inside
py3nj's build; with it, pip stops at once and prints the one line that mends it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from setuptools import build_meta as _setuptools
from setuptools.build_meta import (  # noqa: F401  (the hooks that need no check)
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

FORTRAN_COMPILERS = ("gfortran", "flang", "flang-new", "ifx", "ifort")


def get_requires_for_build_wheel(config_settings: dict[str, Any] | None = None) -> list[str]:
    """PEP 517 hook; the first that pip calls for a wheel."""
    _check_installer(editable=False)
    return _setuptools.get_requires_for_build_wheel(config_settings)


def get_requires_for_build_editable(config_settings: dict[str, Any] | None = None) -> list[str]:
    """PEP 660 hook; the first that pip calls for an editable installation."""
    _check_installer(editable=True)
    return _setuptools.get_requires_for_build_editable(config_settings)


def _check_installer(editable: bool) -> None:
    """Stop a pip install that is bound to fail; every other front end passes through."""
    if "PIP_BUILD_TRACKER" not in os.environ:  # set by pip for its builds, by nobody else
        return
    if not (3, 10) <= sys.version_info[:2] < (3, 12):
        _stop(
            f"equigrasp needs CPython 3.10 or 3.11 (PyBullet has wheels for no later one); this is "
            f"{sys.version.split()[0]}. Make an environment with one of them:",
            "python3.11 -m venv .venv && . .venv/bin/activate",
        )
    if _dependencies_are_left_out() or os.environ.get("FC"):
        return
    if any(shutil.which(compiler) for compiler in FORTRAN_COMPILERS) or _py3nj_needs_no_build():
        return
    project, python = Path.cwd(), sys.executable
    target = f"-e {project}" if editable else str(project)
    _stop(
        "plain pip cannot install equigrasp without a Fortran compiler (escnn asks for py3nj, "
        "which equigrasp never uses; uv leaves it out). Run this line instead:",
        f"cd {project} && {python} -m pip install uv torch==2.13.0 && "
        f"{python} -m uv pip install --python {python} {target}",
    )


def _dependencies_are_left_out() -> bool:
    if os.environ.get("PIP_NO_DEPS", "").lower() in {"1", "true", "yes", "on"}:
        return True
    try:  # the hook's parent process is pip itself
        arguments = Path(f"/proc/{os.getppid()}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"--no-deps" in arguments


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
