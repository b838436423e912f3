"""Seconds and megabytes of every tier, installed for real, and a plan with the smallest one.

    python benchmarks/tiers.py                                  # into a fresh environment
    python benchmarks/tiers.py --python python3.13 --record
    python benchmarks/tiers.py --quick                          # the wheel alone, packages borrowed

Tiers are added one after another to one environment, so that each costs what it brings beyond
those before it. Packages come from pip's own index; seconds include the download.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from shared.fresh import (
    borrow_packages,
    build_wheel,
    install,
    make_environment,
    run,
    site_packages,
)
from shared.results import command_line, finish

TIERS = ("", "view", "train", "policy", "sim", "ray", "onnx", "keysteps")
"""Extras, in the order in which they are added; the first is the base."""
ACCELERATOR = ("torch", "torchgen", "functorch", "triton", "nvidia")
"""Folders that are torch and, of its default build, the libraries of its GPU."""


def megabytes(folder: Path, names: tuple[str, ...] | None = None) -> float:
    """Size of a folder, or of some folders in it."""
    tops = [folder] if names is None else [folder / name for name in names]
    files = (path for top in tops for path in top.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files) / 1e6


def measure(options: argparse.Namespace, folder: Path) -> tuple[dict[str, float], str]:
    """Figures by name, and the version of Python."""
    wheel = build_wheel(folder)
    python = make_environment(folder / "env", options.python)
    site, figures = site_packages(python), {"wheel MB": wheel.stat().st_size / 1e6}
    for tier in options.tiers if not options.quick else ("",):
        before, start = megabytes(site), time.perf_counter()
        if options.quick:
            install(python, "--no-deps", "--no-index", str(wheel))
        else:
            install(python, f"{wheel}[{tier}]" if tier else str(wheel))
        name = tier or "base"
        figures[f"{name} seconds"] = time.perf_counter() - start
        figures[f"{name} MB"] = megabytes(site) - before
        if tier == "":
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
    parser.add_argument("--python", default=sys.executable, help="of the environment")
    parser.add_argument("--tiers", nargs="+", default=TIERS, help="extras, '' is the base")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures, version = measure(options, Path(folder))
    finish(options, figures, {"python": version})


if __name__ == "__main__":
    main()
