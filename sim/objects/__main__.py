"""`python -m sim.objects`: list, check and prepare object sets."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import closing

import numpy as np

from equigrasp.interruption import interrupted
from equigrasp.progress import counted
from sim.objects.cache import cache_root
from sim.objects.load import load_objects
from sim.objects.prepare import prepared
from sim.objects.spec import SPLITS, Fault, ObjectSpec
from sim.scene.kinds import scene_kinds

EPILOG = """examples:
  python -m sim.objects list --kind packed --split test
  python -m sim.objects check --objects path/to/meshes --kind pile
  python -m sim.objects prepare --objects default --kind pile --workers 2
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status is 1 if a check found broken objects."""
    kinds = scene_kinds()
    options = _parser(list(kinds)).parse_args(arguments)
    try:
        return _run(options)
    except KeyboardInterrupt:
        return interrupted("the same command goes on from here")


def _run(options: argparse.Namespace) -> int:
    faults: list[Fault] = []
    kinds = scene_kinds()
    try:
        specs = load_objects(
            options.objects, kinds[options.kind].objects, options.split, report=faults
        )
    except ValueError as error:
        for fault in faults:
            print(f"broken: '{fault.path}' {fault.reason}")
        print(f"error: {error}", file=sys.stderr)
        return 1
    counts = {s: sum(x.source == s for x in specs) for s in sorted({x.source for x in specs})}
    described = ", ".join(f"{source} {n}" for source, n in counts.items())
    print(f"{len(specs)} {options.kind} objects, split {options.split}: {described}")
    if options.command == "list":
        for spec in specs:
            print(spec.object_id)
    else:
        faults += _prepare(specs, options.workers, check=options.command == "check")
    for fault in faults:
        print(f"broken: '{fault.path}' {fault.reason}")
    return 1 if faults and options.command == "check" else 0


def _parser(kinds: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sim.objects",
        description="Object sets for simulated scenes.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "command",
        choices=("list", "check", "prepare"),
        help="list: ids; prepare: fill the cache; check: prepare and inspect every mesh",
    )
    parser.add_argument("--objects", default="default", help="set names and folders, by commas")
    parser.add_argument("--kind", choices=kinds, default="pile")
    parser.add_argument("--split", choices=SPLITS, default="all")
    parser.add_argument("--workers", type=int, default=1, help="processes that prepare")
    return parser


def _prepare(specs: Sequence[ObjectSpec], workers: int, check: bool) -> list[Fault]:
    start, faults, sizes = time.perf_counter(), [], []
    with closing(prepared(specs, workers, check=check)) as found:
        pairs = zip(specs, found, strict=True)
        for spec, (extents, reason) in counted(pairs, "objects", len(specs)):
            if reason:
                faults.append(Fault(spec.object_id, reason))
            else:
                sizes.append(extents)
    seconds = time.perf_counter() - start
    print(f"{len(sizes)} ready in {seconds:.1f} s, cache {cache_root()}")
    if sizes:
        low, middle, high = np.percentile(np.array(sizes) * 100, [5, 50, 95], axis=0)
        for axis in range(3):
            print(
                f"  {'xyz'[axis]}: median {middle[axis]:.1f} cm"
                f" (5-95 %: {low[axis]:.1f} to {high[axis]:.1f})"
            )
    return faults


if __name__ == "__main__":
    raise SystemExit(main())
