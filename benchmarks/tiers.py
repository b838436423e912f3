"""Seconds and megabytes of every tier, installed for real, and a plan with the smallest one.

    python benchmarks/tiers.py                                       # into a fresh environment
    python benchmarks/tiers.py --python python3.13 --record
    python benchmarks/tiers.py --quick                               # the wheel alone
    python benchmarks/tiers.py --python newest --tiers base --cpu    # as in continuous integration

Tiers are added one after another to one environment, so that each costs what it brings beyond
those before it. Packages come from pip's own index; seconds include the download. pip's torch for
Linux brings the libraries of a GPU, some GB; `--cpu` looks for the build without them, in pip's own
index and in that of PyTorch, and takes the default build where neither has it. It is recorded apart
(tiers_cpu.json). Where no index of packages answers at all, or the default build does not come
within some minutes or has no room, the last line says SKIPPED; whatever else goes wrong is a
failure.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from shared.fresh import (
    ROOT,
    borrow_packages,
    build_wheel,
    install,
    make_environment,
    run,
    site_packages,
)
from shared.results import command_line, finish, load

TIERS = (
    *("base", "view", "train", "policy", "sim", "ray", "rerun", "onnx", "keysteps", "pusht"),
    "videos",
)
"""Extras, in the order in which they are added; the first is none of them."""
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PYTHONS = tuple(f"python3.{minor}" for minor in range(19, 9, -1))
"""Names of interpreters that may be there, newest first."""
MANAGED = (".pyenv/versions/3.*/bin/python3", ".local/share/uv/python/cpython-3.*/bin/python3")
"""Where others keep interpreters, below the home folder."""
ACCELERATOR = ("torch", "torchgen", "functorch", "triton", "nvidia")
"""Folders that are torch and, of its default build, the libraries of its GPU."""


def megabytes(folder: Path, names: tuple[str, ...] | None = None) -> float:
    """Size of a folder, or of some folders in it."""
    tops = [folder] if names is None else [folder / name for name in names]
    files = (path for top in tops for path in top.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files) / 1e6


def newest_python() -> str:
    """The newest released CPython at hand: on the path, or among those of pyenv and uv; at worst
    this one."""
    managed = [path for place in MANAGED for path in Path.home().glob(place)]
    found = {}
    for candidate in (*filter(None, map(shutil.which, PYTHONS)), *map(str, managed)):
        code = "import sys, venv; print(*sys.version_info[:4], sys.implementation.name)"
        said = subprocess.run([candidate, "-c", code], capture_output=True, text=True, check=False)
        *version, level, name = said.stdout.split() or ["", ""]
        if (level, name) == ("final", "cpython"):
            found[tuple(map(int, version))] = candidate
    return found[max(found)] if found else sys.executable


def reachable(url: str) -> bool:
    """Whether a page can be had within a few seconds."""
    try:
        with urllib.request.urlopen(url, timeout=6):
            return True
    except OSError:
        return False


DEFAULT = ("torch",)
PATIENCE = 600.0
"""Seconds in which the default build of torch has to come where one for CPUs is asked for."""


ROOM = 15e9
"""Bytes that the default build of torch may need while it is unpacked."""


class SkippedError(RuntimeError):
    """Nothing can be tried here, and nothing is wrong with equigrasp."""


def ways_to_torch() -> dict[str, tuple[str, ...]]:
    """What to tell pip so that it installs torch, by words; the builds for CPUs first."""
    setup = (ROOT / "scripts" / "setup.sh").read_text(encoding="utf-8")
    version = re.search(r"^TORCH_VERSION=(\S+)", setup, re.MULTILINE)[1]
    ways = {"the build for CPUs, from pip's own index": (f"torch=={version}+cpu",)}
    if reachable(f"{CPU_INDEX}/torch/"):
        index = ("--extra-index-url", CPU_INDEX)
        ways[f"the build for CPUs, from {CPU_INDEX}"] = (f"torch=={version}+cpu", *index)
    return ways | {"the default build, maybe some GB, from pip's own index": DEFAULT}


def install_torch(python: Path) -> str:
    """Install torch in the first way that works; the words for it.

    Raises:
        SkippedError: no way works, and pip gets no other package either; or the default build,
            some GB, finds less than `ROOM` or takes longer than `PATIENCE`.
        RuntimeError: no way works; with what pip said of the last.
    """
    said = None
    for words, arguments in ways_to_torch().items():
        free = shutil.disk_usage(python.parent).free
        if arguments == DEFAULT and free < ROOM:
            raise SkippedError(f"torch, {words}, may not fit into {free / 1e9:.0f} GB")
        try:
            install(python, "--retries", "1", *arguments, seconds=PATIENCE)
        except RuntimeError as error:
            said = error
        except subprocess.TimeoutExpired as late:
            told = f"torch, {words}, did not come within {PATIENCE / 60:.0f} minutes"
            raise SkippedError(told) from late
        else:
            return words
    try:
        install(python, "--retries", "1", "--no-deps", "safetensors")
    except RuntimeError as error:
        raise SkippedError("no index of packages answers") from error
    raise said


def measure(options: argparse.Namespace, folder: Path) -> tuple[dict[str, float], str]:
    """Figures by name, and the version of Python."""
    wheel = build_wheel(folder)
    python = make_environment(folder / "env", options.python)
    site, figures = site_packages(python), {"wheel MB": wheel.stat().st_size / 1e6}
    for name in options.tiers if not options.quick else TIERS[:1]:
        before, start = megabytes(site), time.perf_counter()
        if options.quick:
            install(python, "--no-deps", "--no-index", str(wheel))
        else:
            if options.cpu and name == options.tiers[0]:
                print(f"torch: {install_torch(python)}", flush=True)
            install(python, str(wheel) if name == TIERS[0] else f"{wheel}[{name}]")
        figures[f"{name} seconds"] = time.perf_counter() - start
        figures[f"{name} MB"] = megabytes(site) - before
        if name == TIERS[0]:
            figures["of it torch MB"] = megabytes(site, ACCELERATOR)
            if options.quick:
                borrow_packages(python)
            figures |= plan(python, folder)
    return figures, run([str(python), "--version"], folder).strip()


def plan(python: Path, folder: Path) -> dict[str, float]:
    """Seconds from the start of a process to grasps in a file, with the environment alone."""
    command = str(python.parent / "equigrasp")
    run([command, "sample", "looks"], folder)
    files = ["looks/depth.png", "--camera", "looks/camera.json", "--pose", "looks/pose.json"]
    start = time.perf_counter()
    run([command, "plan", *files, "--out", "grasps.json"], folder)
    return {"first plan seconds": time.perf_counter() - start}


def main() -> None:
    """Install, measure, print."""
    parser = command_line(__doc__, "tiers")
    parser.add_argument("--python", default=sys.executable, help="of the environment, or newest")
    parser.add_argument("--tiers", nargs="+", choices=TIERS, default=TIERS)
    parser.add_argument("--cpu", action="store_true", help="torch without the libraries of a GPU")
    options = parser.parse_args()
    if options.cpu:
        options.result = options.result.with_stem("tiers_cpu")
    if options.python == "newest":
        options.python = newest_python()
    busy = load()
    try:
        with tempfile.TemporaryDirectory() as folder:
            figures, version = measure(options, Path(folder))
    except SkippedError as error:
        print(
            f"{'=' * 40}\nSKIPPED: {error}. Nothing was installed and no plan was made", flush=True
        )
        return
    finish(options, figures, {"python": version, "load before": busy})


if __name__ == "__main__":
    main()
