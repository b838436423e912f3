"""Would a larger network pay? EquiGIGA with more fields, depth, voxels, or points of the surface.

    python benchmarks/larger_nets.py --data data/pile --scene pile --closed-loop 100 --record
    python benchmarks/larger_nets.py --quick                    # made-up scenes, tiny models

All are trained for the same number of steps on the same scenes and judged by average precision on
held-out scenes, and, with --closed-loop, by clearing the same rounds. What they cost: seconds of
training, and milliseconds of a plan on made-up clutter, taking turns over the images (one thread);
`times` is the ratio to EquiGIGA as it is. Finished runs are kept in --runs.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from planning import noisy_images, plan_milliseconds
from sample_efficiency import (
    Run,
    add_run_options,
    cleared,
    interval,
    spread,
    studied,
    trained,
    training_scenes,
)
from shared.arms import ARMS, LARGER
from shared.results import RESULTS, command_line, finish, known
from shared.run_records import RunRecord, RunRecords

from equigrasp.data.files import write_atomically
from equigrasp.planner import GraspPlanner
from equigrasp.weights import load_model
from sim.clutter.scene_lists import public_object_names
from sim.scene.kinds import scene_kinds


def main() -> None:
    """Train what is missing, time, tabulate."""
    quick = {"arms": ["induced", "near"], "seeds": 1, "steps": 20, "images": 3}
    studied(study, parser().parse_args(), quick)


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    found = command_line(__doc__, "larger_nets")
    add_run_options(found)
    found.set_defaults(seeds=1)
    add = found.add_argument
    add("--scene", choices=tuple(scene_kinds()), default="pile")
    add("--arms", nargs="+", choices=sorted(ARMS), default=list(LARGER))
    add("--steps", type=int, default=1500)
    add("--closed-loop", type=int, metavar="ROUNDS", help="clear so many rounds with every seed")
    add("--objects", default="default", help="object sets and folders of these rounds")
    add("--split", default="val", help="which part of them (default: val)")
    add("--images", type=int, default=40, help="that are timed")
    add("--runs", type=Path, default=RESULTS / "larger_nets_runs.json")
    add("--out", type=Path, default=Path("outputs/larger_nets"))
    found.set_defaults(table_only=False)
    return found


def study(arguments: argparse.Namespace) -> None:
    """The runs of all arms and seeds, what came of them, and what a plan takes."""
    scenes = training_scenes(arguments)
    records = RunRecords(arguments.runs, arguments.data)
    runs = [
        Run(arguments.scene, arm, scenes, seed)
        for seed, arm in itertools.product(range(arguments.seeds), arguments.arms)
    ]

    def made(run: Run) -> RunRecord | None:
        record = trained(run, arguments, records)
        return cleared(run, arguments, records) if arguments.closed_loop else record

    with ThreadPoolExecutor(arguments.workers) as pool:  # threads wait for programs that work
        found = known(pool.map(made, runs))
    results: dict[str, list[RunRecord]] = {arm: [] for arm in arguments.arms}
    for run, record in zip(runs, found, strict=True):
        results[run.arm].append(record)
    folders = {run.arm: arguments.out / run.name(arguments.steps) for run in reversed(runs)}
    torch.set_num_threads(1)
    planners = {arm: GraspPlanner.from_pretrained(folder) for arm, folder in folders.items()}
    spent = plan_milliseconds(planners, noisy_images(arguments.images))
    base = spent[arguments.arms[0]]
    rows = [
        row(arm, results[arm], spent[arm], spent[arm] / base, folders[arm])
        for arm in arguments.arms
    ]
    rounds = f", {arguments.closed_loop} rounds per seed" if arguments.closed_loop else ""
    rounds += f" of {public_object_names(arguments.objects)} ({arguments.split})" if rounds else ""
    text = (
        f"{markdown(rows)}\n\n{arguments.scene}: {arguments.steps} steps of "
        f"{arguments.batch_size} scenes, {scenes} training scenes, {arguments.precision}{rounds}; "
        "means over seeds (lowest to highest)."
    )
    print(text)
    if arguments.record:
        write_atomically(arguments.result.with_suffix(".md"), f"# Larger networks\n\n{text}\n")
    numbers = {f"{r['arm']}_{name}": r[name] for r in rows for name in ("ms", "times", "minutes")}
    numbers |= {f"{r['arm']}_ap": r["ap"]["mean"] for r in rows}
    finish(arguments, numbers, {"steps": arguments.steps, "training_scenes": scenes})


def row(
    arm: str, found: Sequence[RunRecord], milliseconds: float, times: float, folder: Path
) -> dict[str, Any]:
    """Figures of an arm."""
    model = load_model(folder, frozen=False)
    rates = {rate: known(record.get(rate) for record in found) for rate in ("gsr", "dr")}
    return {
        "arm": arm,
        "parameters": sum(p.numel() for p in model.parameters()),
        "minutes": statistics.fmean(record["minutes"] for record in found),
        "ms": milliseconds,
        "times": times,
        "ap": interval([record["validation"]["average_precision"] for record in found]),
        **{rate: interval(values) if values else None for rate, values in rates.items()},
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """A line per arm."""
    lines = [
        "| arm | parameters | training, min | plan, ms | times | AP | GSR | DR |",
        "|---" * 8 + "|",
    ]
    for each in rows:
        values = each["ap"]["values"]
        ap = f"{each['ap']['mean']:.3f}"
        ap += f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
        cells = [each["arm"], f"{each['parameters']:,}", f"{each['minutes']:.0f}"]
        cells += [f"{each['ms']:.0f}", f"{each['times']:.2f}", ap]
        lines.append(f"| {' | '.join([*cells, spread(each['gsr']), spread(each['dr'])])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
