"""The published networks beside the exact ones: same scenes and grasps, each at its own rate.

    python benchmarks/published.py --data data/packed --scene packed --closed-loop 100 --record
    python benchmarks/published.py --quick                    # made-up scenes, tiny models

All train for the same number of steps on the same grasps of the same images (fixed view, the
published noise), each with its own loss, optimiser, schedule and augmentation. Between the two
stands the published network made exact, with nothing else changed. The peak learning rate of each
is the one of --rates whose run with seed 0 has the best average precision on held-out scenes; the
other seeds are trained at it. With --closed-loop the networks clear clutter as well.
Finished runs are kept in --runs, so the same command goes on where it was stopped: with the default
three seeds, six arms and four rates there are 36 runs. With --record, rows of other arms and of
other numbers of steps stay in the table.
"""

from __future__ import annotations

import argparse
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sample_efficiency import (
    Run,
    add_run_options,
    cleared,
    interval,
    studied,
    trained,
    training_scenes,
)
from shared.arms import ARMS, TINY
from shared.results import RESULTS, command_line, finish, known
from shared.run_records import RunRecord, RunRecords

from equigrasp.data.files import write_atomically, write_json
from sim.scene.kinds import scene_kinds

ARMS_OF = {
    model: (f"published_{model}", f"exact_{model}", f"published_exact_{model}")
    for model in ("equigiga", "equiigd")
}
"""A model as published, as it is here, and as published but exact: `shared/arms.py` has them."""
RATES = ("2e-4", "5e-4", "1e-3", "2e-3")
SCORES = ("ap", "gsr", "dr")


def main() -> None:
    """Train what is missing, tabulate."""
    quick = {"models": ["equigiga"], "rates": ["1e-3"], "seeds": 1, "steps": 1}
    studied(study, parser().parse_args(), quick)


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    found = command_line(__doc__, "published")
    add_run_options(found)
    add = found.add_argument
    add("--scene", choices=tuple(scene_kinds()), default="packed")
    add("--models", nargs="+", choices=sorted(ARMS_OF), default=list(ARMS_OF))
    add(
        "--arms",
        nargs="+",
        choices=sorted({*itertools.chain(*ARMS_OF.values())}),
        help="only these",
    )
    add("--rates", nargs="+", default=list(RATES), help="peak learning rates to choose from")
    add("--steps", type=int, default=5000)
    add("--closed-loop", type=int, metavar="ROUNDS", help="clear so many rounds with every seed")
    add("--objects", default="default", help="object sets and folders of these rounds")
    add("--table-only", action="store_true", help="tabulate what is known")
    add("--runs", type=Path, default=RESULTS / "published_runs.json")
    add("--out", type=Path, default=Path("outputs/published"))
    return found


def study(arguments: argparse.Namespace) -> None:
    """Choose the rates, train all seeds, tabulate."""
    scenes = training_scenes(arguments)
    records = RunRecords(arguments.runs, arguments.data)
    arms = [
        (model, arm)
        for model in arguments.models
        for arm in ARMS_OF[model]
        if arguments.arms is None or arm in arguments.arms
    ]
    rates = {arm: best_rate(arm, scenes, arguments, records) for _, arm in arms}
    with ThreadPoolExecutor(arguments.workers) as pool:  # threads wait for programs that work
        asked = {
            (model, arm): [
                pool.submit(result, arm, rates[arm], scenes, seed, arguments, records)
                for seed in range(arguments.seeds)
            ]
            for model, arm in arms
        }
    rows = [
        row(model, arm, rates[arm], arguments.steps, found)
        for (model, arm), runs in asked.items()
        if (found := known(run.result() for run in runs))
    ]
    if not rows:
        raise SystemExit("no run is known yet; leave --table-only away")
    print(f"{markdown(rows)}\n\n{how(arguments, scenes)}")
    if arguments.record:
        kept = arguments.result.with_name("published_rows.json")
        rows = beside(json.loads(kept.read_text()) if kept.exists() else [], rows)
        write_json(kept, rows)
        text = f"{markdown(rows)}\n\nMade last: {how(arguments, scenes)}\n"
        write_atomically(arguments.result.with_suffix(".md"), text)
    numbers = {
        f"{r['arm']}_{r['steps']}_{score}": r[score]["mean"]
        for r in rows
        for score in SCORES
        if score in r
    }
    finish(arguments, numbers, {"training_scenes": scenes})


def at_rate(arm: str, rate: str) -> str:
    """An arm with a learning rate of its own, made known to the study of runs."""
    name = f"{arm}_{rate}"
    ARMS.setdefault(name, [*ARMS[arm], f"trainer.learning_rate={rate}"])
    TINY.setdefault(name, TINY.get(arm, []))
    return name


def best_rate(arm: str, scenes: int, arguments: argparse.Namespace, records: RunRecords) -> str:
    """The rate whose first seed has the best average precision on held-out scenes."""

    def precision(rate: str) -> float:
        record = trained(Run(arguments.scene, at_rate(arm, rate), scenes, 0), arguments, records)
        return -1.0 if record is None else record["validation"]["average_precision"]

    if len(arguments.rates) == 1:
        return arguments.rates[0]
    with ThreadPoolExecutor(arguments.workers) as pool:
        found = dict(zip(arguments.rates, pool.map(precision, arguments.rates), strict=True))
    return max(found, key=found.__getitem__)


def result(
    arm: str,
    rate: str,
    scenes: int,
    seed: int,
    arguments: argparse.Namespace,
    records: RunRecords,
) -> RunRecord | None:
    """A run's validation and, if asked for, what it clears."""
    run = Run(arguments.scene, at_rate(arm, rate), scenes, seed)
    record = trained(run, arguments, records)
    return cleared(run, arguments, records) if arguments.closed_loop else record


def row(model: str, arm: str, rate: str, steps: int, found: list[RunRecord]) -> dict[str, Any]:
    """Means and intervals over seeds."""
    values = {"ap": [record["validation"]["average_precision"] for record in found]}
    values |= {rate: known(record.get(rate) for record in found) for rate in ("gsr", "dr")}
    scores = {score: interval(each) for score, each in values.items() if each}
    facts = {"rate": rate, "seeds": len(found), "rounds": found[0].get("rounds")}
    return {"model": model, "arm": arm, "steps": steps, **facts, **scores}


def beside(before: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows recorded before without those made again, and these; by model, steps and arm."""
    made = {(each["arm"], each["steps"]) for each in rows}
    kept = [each for each in before if (each["arm"], each["steps"]) not in made]
    arms = list(itertools.chain(*ARMS_OF.values()))
    order = list(ARMS_OF)
    return sorted(
        kept + rows,
        key=lambda each: (order.index(each["model"]), each["steps"], arms.index(each["arm"])),
    )


def markdown(rows: list[dict[str, Any]]) -> str:
    """A line per arm: steps, rate, seeds, and average precision, GSR and DR (of so many rounds per
    seed) with their 95 % intervals."""
    lines = ["| arm | steps | rate | seeds | AP | rounds | GSR | DR |", "|---" * 8 + "|"]
    for each in rows:
        cells = [each["arm"], each["steps"], each["rate"], each["seeds"], cell(each.get("ap"), 3)]
        cells += [each["rounds"] or "-", cell(each.get("gsr"), 1), cell(each.get("dr"), 1)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def how(arguments: argparse.Namespace, scenes: int) -> str:
    """What the rows stand on."""
    rounds = f", {arguments.closed_loop} rounds per seed" if arguments.closed_loop else ""
    return (
        f"{arguments.scene}: {arguments.steps} steps of {arguments.batch_size} scenes, {scenes} "
        f"training scenes, {arguments.precision}, rates tried {', '.join(arguments.rates)}"
        f"{rounds}. Means over seeds and 95 % intervals of the mean."
    )


def cell(score: dict[str, Any] | None, digits: int) -> str:
    """Mean and half width of the interval."""
    if score is None:
        return "-"
    half = "" if score["half"] is None else f" +- {score['half']:.{digits}f}"
    return f"{score['mean']:.{digits}f}{half}"


if __name__ == "__main__":
    main()
