"""Play PushT with a policy: mean of the largest coverage, the published measure, and success.

    python sim/pusht_eval.py --policy runs/diffusion_policy_pusht_seed0
    python sim/pusht_eval.py --policy planner --episodes 20 --film

Scenes are those of the seeds from 100000 on. Results are kept in --out as they come: interrupted at
any moment, the same command goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from equigrasp.data.endings import ending
from equigrasp.data.files import write_atomically, write_json
from equigrasp.data.folder_lock import hold_folder
from equigrasp.optional import require_extra
from equigrasp.progress import ProgressLine
from equigrasp.sizes import HELP, default_size
from sim.keyframes.films import write_film
from sim.keyframes.success_rates import interval
from sim.keyframes.suite import file_digest, keep_row, read_rows
from sim.pusht.environment import EVALUATION_SEEDS
from sim.pusht.evaluation import PLANNER
from sim.workers.jobs import Failed, Job, Ok, WorkerError
from sim.workers.run import ENGINES, run_jobs

EPISODES = 50
TOGETHER = 10
"""Episodes that a job plays side by side."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = parser().parse_args(arguments)
    return ending(lambda: _run(options), WorkerError)


def _run(options: argparse.Namespace) -> int:
    name = options.policy.removesuffix("/").replace("/", "_")
    out = options.out or Path("outputs/pusht") / name
    require_extra("pusht", "PushT")
    if options.episodes is None:
        options.episodes = default_size(EPISODES)
    with hold_folder(out, "give another --out"):
        summary = summarise(play_missing(options, out))
        write_json(out / "summary.json", summary)
        text = markdown_table(name, summary)
        write_atomically(out / "table.md", text + "\n")
    print(text)
    return 0


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    found = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=HELP
    )
    add = found.add_argument
    add("--policy", default=PLANNER, help="a run's folder, a .safetensors file, or planner")
    add("--episodes", type=int, help=f"in all (without it: {EPISODES})")
    add("--first-seed", type=int, default=EVALUATION_SEEDS, help="of the first scene")
    add("--steps", type=int, default=10, help="denoising steps")
    add("--sampler", choices=("ddim", "ddpm"), default="ddim")
    add("--film", action="store_true", help="write a GIF of every episode, a picture a chunk")
    add("--workers", type=int, default=len(os.sched_getaffinity(0)))
    add("--engine", choices=ENGINES, default="local", help="ray: of a Ray cluster")
    add("--timeout", type=float, default=600.0, help="longest time for ten episodes, s")
    add("--out", type=Path, help="default: outputs/pusht/POLICY")
    return found


def play_missing(options: argparse.Namespace, out: Path) -> list[dict[str, Any]]:
    """Rows of all episodes; those that `out` does not hold yet are played.

    Args:
        options: see `parser`.
        out: folder of the results.

    Raises:
        ValueError: there is no such policy, a number below 1, results of another policy in the
            folder, or an episode that broke off.
        WorkerError: the environment cannot be started.
    """
    for name in ("episodes", "steps"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} is {getattr(options, name)}; give at least 1")
    log, who = out / "episodes.jsonl", identity(options)
    known = {seed: row for (seed,), row in read_rows(log, who, ("seed",)).items()}
    seeds = range(options.first_seed, options.first_seed + options.episodes)
    missing = [seed for seed in seeds if seed not in known]
    common = {"policy": options.policy, "steps": options.steps, "sampler": options.sampler}
    jobs = [
        Job(group[0], {**common, "seeds": group, "film": options.film})
        for start in range(0, len(missing), TOGETHER)
        if (group := missing[start : start + TOGETHER])
    ]

    def keep(result: Ok | Failed) -> None:
        if isinstance(result, Failed):
            raise ValueError(f"the episodes from seed {result.key} on: {result.message}")
        for row in result.value:
            images = row.pop("film")
            if images:
                end = "success" if row["success"] else f"{100 * row['coverage']:.0f}"
                write_film(out / "films" / f"{row['seed']}_{end}.gif", images)
            known[row["seed"]] = row
            keep_row(log, who, row)
            progress.advance()

    with ProgressLine("episodes", len(missing)) as progress:
        run_jobs(
            "sim.pusht.evaluation:play_seeds",
            jobs,
            workers=options.workers,
            timeout_s=options.timeout,
            on_result=keep,
            engine=options.engine,
        )
    return [known[seed] for seed in seeds]


def identity(options: argparse.Namespace) -> str:
    """What tells this evaluation from others in a folder of results: policy, weights, denoising."""
    if options.policy == PLANNER:
        return PLANNER
    from equigrasp.policy.saved import find_policy

    weights, _ = find_policy(options.policy)
    digest = file_digest(weights)
    return f"{options.policy} {digest} steps={options.steps} sampler={options.sampler}"


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over episodes, in percent but for the steps.

    Returns:
        `score`, the published measure: mean over episodes of the largest reward (coverage over
        0.95, at most 1), with the half width of its 95 % `score_error`; `coverage`, `success` with
        its `interval`, `steps`, `episodes`.
    """
    count = len(rows)
    scores = [100 * row["score"] for row in rows]
    mean = sum(scores) / count
    spread = sum((score - mean) ** 2 for score in scores) / max(1, count - 1)
    wins = sum(row["success"] for row in rows)
    return {
        "score": mean,
        "score_error": 1.96 * (spread / count) ** 0.5,
        "coverage": 100 * sum(row["coverage"] for row in rows) / count,
        "success": 100 * wins / count,
        "interval": interval(wins, count),
        "steps": sum(row["steps"] for row in rows) / count,
        "episodes": count,
    }


def markdown_table(name: str, summary: dict[str, Any]) -> str:
    """A summary as a table in Markdown."""
    low, high = summary["interval"]
    return (
        "| policy | score % (95 %) | largest coverage % | success % (95 %) | steps | episodes |\n"
        "|---|---|---|---|---|---|\n"
        f"| {name} | {summary['score']:.1f} +- {summary['score_error']:.1f} "
        f"| {summary['coverage']:.1f} | {summary['success']:.1f} ({low:.1f} to {high:.1f}) "
        f"| {summary['steps']:.0f} | {summary['episodes']} |"
    )


if __name__ == "__main__":
    sys.exit(main())
