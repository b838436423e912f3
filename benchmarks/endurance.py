"""Long and hard use: kills, full and closed disks, second runs, memory, threads, broken inputs.

    python benchmarks/endurance.py --quick
    nice -n 10 python benchmarks/endurance.py --record      # a quarter of an hour of one core
    python benchmarks/endurance.py --record --only kills --stages training --kills 5 --more

Data generation, training, evaluation and demonstrations are killed with SIGKILL at random moments
of their whole run, each run one to four times, and started again until they end; then every file,
or every loss and weight, has to be that of an uninterrupted run. They run on a disk that is too
small, on one that is read-only (small tmpfs mounts, for root alone), and with room again; and on a
folder that another run holds. Memory is that of one process: planning with a small untrained
network, and playing rounds. With --only, --record renews those figures and keeps the others; with
--more it adds kills to those that are recorded, at other moments, so that they come in pieces.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.kills import bad_disks, can_mount, kills, second_run, uninterrupted
from shared.long_use import plans, rounds, shared_planner, small_planner
from shared.programs import programs
from shared.results import RESULTS, command_line, machine

from equigrasp import GraspPlanner
from equigrasp.data.files import read_json, write_atomically, write_json

ROOT = Path(__file__).parents[1]
STAGES = ("data", "training", "evaluation", "demonstrations")
QUICK_STAGES = ("training",)
FEW, ALL = 2, 100
"""Kills, quick and recorded, of all stages together."""
TITLES = {
    "killed": "kills with SIGKILL",
    "ended": "runs that ended after their kills",
    "lost": "files, losses or rounds that are missing or differ then",
    "disks": "programs tried on bad disks",
    "disk_complaints": "complaints: not one clear line, or another result with room again",
    "second_runs": "programs tried on a folder that another run holds",
    "second_run_complaints": "of these not refused in one clear line",
    "plans": "plans in one process",
    "plans_mb_warm": "memory after a fifth of them, MB",
    "plans_mb_end": "memory after the last, MB",
    "plans_mb_per_thousand": "growth per thousand plans, MB",
    "rounds": "rounds in one process",
    "rounds_mb_warm": "memory after a fifth of them, MB",
    "rounds_mb_end": "memory after the last, MB",
    "rounds_mb_per_thousand": "growth per thousand rounds, MB",
    "thread_plans": "plans by four threads that share a planner",
    "thread_differences": "of these other than one thread's",
    "inputs": "broken inputs",
    "unclear": "of these not refused by their sentence",
    "mutants_killed_share": "share of mutants that tests kill (benchmarks/mutants.py)",
}


def main() -> None:
    """Run the parts, print, and write what the command line asks for."""
    parser = command_line(__doc__, "endurance")
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=tuple(PARTS))
    parser.add_argument("--stages", nargs="+", choices=STAGES, help="programs (default: all)")
    parser.add_argument("--kills", type=int, help=f"in all (default: {ALL})")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--more", action="store_true", help="add kills to those on record")
    options = parser.parse_args()
    options.stages = options.stages or (QUICK_STAGES if options.quick else STAGES)
    options.kills = options.kills or (FEW if options.quick else ALL)
    found: dict[str, Any] = {}
    for name in options.only:
        with tempfile.TemporaryDirectory(prefix="equigrasp-endurance-") as scratch:
            found |= PARTS[name](options, Path(scratch))
        if options.record:  # at once: a run that is ended early keeps what it found
            record(options.result, found)
    numbers = totals(found)
    for name, value in numbers.items():
        print(f"{name:24}  {value}")
    if options.json:
        write_json(options.json, numbers)


def killed(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Kills of every stage, and what was lost by them."""
    before = recorded(options.result) if options.more else {}
    found: dict[str, Any] = {}
    for program in programs(scratch):
        if program.name not in options.stages:
            continue
        keys = {name: f"{name}_{program.name}" for name in ("killed", "ended", "lost")}
        numbers = {name: before.get(key, 0) for name, key in keys.items()}
        rng = random.Random(f"{options.seed} {program.name} {numbers['killed']}")
        for hits, lost in kills(program, scratch, options.kills // len(options.stages), rng):
            numbers["killed"] += hits
            numbers["ended"] += 1
            numbers["lost"] += len(lost)
            if lost:
                print(f"{program.name} lost {lost[:5]}", file=sys.stderr)
            found |= {key: numbers[name] for name, key in keys.items()}
            if options.record:
                record(options.result, found)
    return found


def disks(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Full and closed disks, where this process may mount them, and second runs."""
    found: dict[str, Any] = {}
    mounts = can_mount()
    if not mounts:
        print("disks: only root can mount small ones; left out", file=sys.stderr)
    for program in programs(scratch):
        if program.name not in options.stages:
            continue
        held = second_run(program, scratch)
        found |= {f"second_runs_{program.name}": 1}
        found |= {f"second_run_complaints_{program.name}": len(held)}
        complaints = {"held": held}
        if mounts:
            expected, _ = uninterrupted(program, scratch)
            complaints |= bad_disks(program, scratch, expected)
            bad = sum(len(told) for name, told in complaints.items() if name != "held")
            found |= {f"disks_{program.name}": 1, f"disk_complaints_{program.name}": bad}
        print(f"{program.name}: {complaints}", file=sys.stderr)
    return found


def memory(options: argparse.Namespace, _: Path) -> dict[str, Any]:
    """Memory over plans, and over rounds, each in a process of their own."""
    counts = {plans: 60} if options.quick else {plans: 2000, rounds: 500}
    found: dict[str, Any] = {}
    for measure, times in counts.items():
        name = measure.__name__
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            numbers = pool.apply(measure, (times,))
        found |= {name: times}
        found |= {f"{name}_{key}": round(value, 2) for key, value in numbers.items()}
    return found


def threads(options: argparse.Namespace, _: Path) -> dict[str, Any]:
    """Plans by threads that share a planner, other than one thread's."""
    count = 8 if options.quick else 16
    planner = small_planner() if options.quick else GraspPlanner.from_pretrained("equigiga_pile")
    return {"thread_plans": count, "thread_differences": shared_planner(planner, count)}


def inputs(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Broken inputs of the suite's table that are not refused by their sentence."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # folders of tests have the packages' names
    from broken_inputs import all_cases, told

    cases = list(all_cases().items())[:: 10 if options.quick else 1]
    unclear = 0
    for number, (name, case) in enumerate(cases):
        folder = scratch / str(number)
        folder.mkdir()
        if said := told(case, folder):
            print(f"{name}: {said}", file=sys.stderr)
            unclear += 1
    return {"inputs": len(cases), "unclear": unclear}


PARTS: dict[str, Callable[[argparse.Namespace, Path], dict[str, Any]]] = {
    "kills": killed,
    "disks": disks,
    "memory": memory,
    "threads": threads,
    "inputs": inputs,
}


def totals(found: dict[str, Any]) -> dict[str, Any]:
    """Figures with the sums over stages before them; the mutants' share, null without a record."""
    sums = {}
    for name in ("killed", "ended", "lost", "disks", "disk_complaints"):
        sums[name] = sum(found.get(f"{name}_{stage}", 0) for stage in STAGES)
    for name in ("second_runs", "second_run_complaints"):
        sums[name] = sum(found.get(f"{name}_{stage}", 0) for stage in STAGES)
    mutants = RESULTS / "mutants.json"
    share = read_json(mutants)["numbers"]["mutants_killed_share"] if mutants.exists() else None
    return {**found, **sums, "mutants_killed_share": share}


def record(path: Path, found: dict[str, Any]) -> None:
    """Renew the figures of a record, keep its others, and write the table beside it."""
    numbers = totals({**recorded(path), **found})
    about = machine()
    write_json(path, {"machine": about, "numbers": numbers})
    lines = [
        "# Long and hard use",
        "",
        "`python benchmarks/endurance.py --record`, on "
        f"{about['cpu']}, {about['cores']} cores, torch {about['torch']} on one thread.",
        "",
        "| what | figure |",
        "|---|---|",
        *(f"| {title} | {shown(numbers.get(name))} |" for name, title in TITLES.items()),
        "",
        "Kills, and runs that ended after them, by stage: "
        + ", ".join(
            f"{stage} {numbers.get(f'killed_{stage}', 0)} and {numbers.get(f'ended_{stage}', 0)}"
            for stage in STAGES
        )
        + ".",
    ]
    write_atomically(path.with_suffix(".md"), "\n".join(lines) + "\n")


def recorded(path: Path) -> dict[str, Any]:
    """Figures of an earlier record; none where there is none."""
    return json.loads(path.read_text(encoding="utf-8"))["numbers"] if path.exists() else {}


def shown(value: float | None) -> str:
    """A figure as the table shows it."""
    return "not recorded" if value is None else f"{value:.4g}"


if __name__ == "__main__":
    main()
