"""`equigrasp sample`: inputs to try the other commands on."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from equigrasp.sample import CAMERAS, write_sample


def main(arguments: Sequence[str]) -> int:
    """Write a sample and print the line that plans on it."""
    parser = argparse.ArgumentParser(description="Write depth.png, camera.json and pose.json.")
    parser.add_argument("folder", type=Path, help="created if missing")
    parser.add_argument(
        "--like", choices=CAMERAS, default="d435", help="whose size, unit and holes (default: d435)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the holes")
    options = parser.parse_args(arguments)
    depth, camera, pose = write_sample(options.folder, options.like, options.seed)
    print(f"a made-up scene as a {options.like} would see it: {depth}, {camera}, {pose}")
    print(f"equigrasp plan {depth} --camera {camera} --pose {pose}")
    return 0
