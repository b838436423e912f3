"""`equigrasp data`: make scenes of a kind, check a data set, count what it holds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from data_gen.command import main as make
from data_gen.command import report
from data_gen.data_set import Progress
from equigrasp.cli.completion import DATA
from equigrasp.data.manifest import read_manifest
from equigrasp.data.verify import main as verify
from sim.scene.kinds import scene_kinds


def main(arguments: Sequence[str]) -> int:
    """Run the program that the first word names; its exit status."""
    kinds = scene_kinds()
    parser = argparse.ArgumentParser(
        epilog="equigrasp data WHAT --help lists its options; scenes go to data/KIND"
    )
    parser.add_argument("what", choices=(*kinds, *DATA), help="a kind of scene, or: " + _others())
    what, rest = parser.parse_args(arguments[:1]).what, list(arguments[1:])
    if what in kinds:
        return make(kinds[what], rest)
    return verify(rest) if what == "verify" else _stats(rest)


def _others() -> str:
    return "verify: name every faulty file; stats: count scenes and successes"


def _stats(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Count what data sets hold.")
    parser.add_argument("directory", nargs="+", type=Path, help="of a data set, as data/packed")
    for directory in parser.parse_args(arguments).directory:
        manifest = read_manifest(directory)
        print(report(directory, Progress()))
        print(f"  {manifest.kind}, seed {manifest.seed}, of {manifest.scenes} scenes wanted")
    return 0
