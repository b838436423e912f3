"""Play the task suite with a policy and report success.

    python sim/policy_eval.py --policy runs/mini_diffuser_demos_seed0 --tasks all --episodes 25
    python sim/policy_eval.py --policy oracle --tasks all --episodes 25 --seeds 3
    python sim/policy_eval.py --policy my.module:MyPolicy --tasks stack_blocks --film front
    python sim/policy_eval.py --env rlbench --policy my.module:MyPolicy --tasks peract18

Episodes are drawn from (seed, task, number); none of them is a demonstration's. Results are kept in
--out as they come: interrupted at any moment, the same command goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from equigrasp.data.endings import ending
from equigrasp.data.files import read_json, write_atomically, write_json
from equigrasp.data.folder_lock import hold_folder
from equigrasp.progress import ProgressLine
from sim.keyframes.films import film_name, write_film
from sim.keyframes.held_out_kinds import HELD_OUT
from sim.keyframes.success_rates import markdown_table, summarise
from sim.keyframes.suite import (
    KEY,
    episode_row,
    file_digest,
    keep_row,
    known_tasks,
    read_rows,
    saved_files,
    shared_name,
    stored_episodes,
)
from sim.workers.jobs import Failed, Job, Ok, WorkerError
from sim.workers.run import ENGINES, run_jobs

TASKS = (
    "names, all (every task; of a trained policy those that it learned), or (of RLBench) peract18"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = parser().parse_args(arguments)
    return ending(lambda: _run(options), WorkerError)


def _run(options: argparse.Namespace) -> int:
    name = options.policy.removesuffix("/").replace(":", "_").replace("/", "_")
    name = name if options.env == "pybullet" else f"{options.env}_{name}"
    out = options.out or Path("outputs/policy") / name
    with hold_folder(out, "give another --out"):
        rows = play_missing(options, out)
        held_out = {
            kind: play_missing(options, out / f"held_out_{kind}", kind) for kind in options.held_out
        }
        text = write_results(rows, out, held_out)
    print(text)
    return 0


def write_results(
    rows: list[dict[str, Any]],
    out: Path,
    held_out: Mapping[str, list[dict[str, Any]]] = {},
) -> str:
    """Write `summary.json` and `table.md` of all episodes; the table is returned.

    Args:
        rows: one per episode.
        out: folder of the results.
        held_out: the same of episodes that are unlike demonstrations, by kind.
    """
    summary = summarise(rows)
    if held_out:
        summary["held_out"] = {kind: summarise(found) for kind, found in held_out.items()}
    write_json(out / "summary.json", summary)
    text = markdown_table(summary)
    write_atomically(out / "table.md", text + "\n")
    return text


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    found = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = found.add_argument
    add(
        "--policy",
        default="oracle",
        help="a run's folder, a .safetensors file, a shipped name, oracle, or MODULE:CLASS",
    )
    add("--candidates", type=int, default=16, help="positions that a trained policy chooses from")
    add("--steps", type=int, default=10, help="denoising steps of a trained policy")
    add("--clip", metavar="DIR", help="CLIP's text weights, for a policy trained with them")
    add("--env", choices=("pybullet", "rlbench"), default="pybullet", help="whose tasks")
    add("--tasks", nargs="+", default=["all"], help=TASKS)
    add("--episodes", type=int, default=25, help="of every task and seed")
    add("--seeds", type=int, default=3, help="0 to N - 1")
    add(
        "--demos",
        type=Path,
        metavar="DIR",
        help="play the scenes of these episodes, as the published test sets are meant",
    )
    add(
        "--held-out",
        nargs="+",
        choices=HELD_OUT,
        default=[],
        metavar="KIND",
        help=f"play as many episodes unlike the demonstrations, for each of: {', '.join(HELD_OUT)}",
    )
    add("--film", metavar="CAMERA", help="write a GIF of every episode as this camera saw it")
    add("--workers", type=int, default=len(os.sched_getaffinity(0)))
    add("--engine", choices=ENGINES, default="local", help="ray: of a Ray cluster")
    add("--timeout", type=float, default=300.0, help="longest time for an episode, s")
    add("--out", type=Path, help="default: outputs/policy/POLICY")
    return found


def play_missing(
    options: argparse.Namespace, out: Path, held_out: str | None = None
) -> list[dict[str, Any]]:
    """Rows of all episodes; those that `out` does not hold yet are played.

    Args:
        options: see `parser`.
        out: folder of the results.
        held_out: what of the scenes is unlike in demonstrations; None for nothing.

    Raises:
        ValueError: no such task, a number below 1, or results of another policy in the folder.
        WorkerError: the simulator cannot be started.
        ImportError: for `--engine ray` without Ray.
    """
    for name in ("episodes", "seeds", "candidates", "steps"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} is {getattr(options, name)}; give at least 1")
    if options.env == "rlbench" and options.policy == "oracle":
        raise ValueError("the oracle knows no task of RLBench; give another --policy")
    if options.held_out and (options.env != "pybullet" or options.demos):
        raise ValueError("--held-out changes new scenes of --env pybullet; leave out --demos")
    tasks = known_tasks(wanted_tasks(options), options.env)
    out.mkdir(parents=True, exist_ok=True)
    log = out / "episodes.jsonl"
    who = identity(options) + (f" held out: {held_out}" if held_out else "")
    known = read_rows(log, who)
    stored = stored_episodes(options.demos, tasks) if options.demos else {}
    todo = [
        (task, seed, index)
        for index in range(options.episodes)
        for seed in range(options.seeds)
        for task in tasks
        if index < stored.get(task, options.episodes)
    ]
    chosen = policy_options(options)
    policy = shared_name(options.policy) if chosen else options.policy
    common = {"policy": policy, "options": chosen, "env": options.env}
    common |= {"film": options.film} if options.film else {}
    common |= {"demos": str(options.demos.resolve())} if options.demos else {}
    common |= {"held_out": held_out} if held_out else {}
    jobs = [
        Job(key, {**common, **dict(zip(KEY, key, strict=True))}) for key in todo if key not in known
    ]

    def keep(result: Ok | Failed) -> None:
        row = episode_row(result)
        images = row.pop("film")
        if images:
            write_film(out / "films" / film_name(row), images)
        known[result.key] = row
        keep_row(log, who, row)
        progress.advance()

    with ProgressLine("episodes", len(jobs)) as progress:
        run_jobs(
            "sim.keyframes.rollout:play_episode",
            jobs,
            workers=options.workers,
            timeout_s=options.timeout,
            on_result=keep,
            engine=options.engine,
        )
    return [known[key] for key in todo]


def policy_options(options: argparse.Namespace) -> dict[str, Any]:
    """Options of a trained policy, see `KeyframeAgent.load`; others have none."""
    if options.policy == "oracle" or ":" in options.policy:
        return {}
    chosen = {"candidates": options.candidates, "steps": options.steps}
    return {**chosen, "clip": options.clip} if options.clip else chosen


def wanted_tasks(options: argparse.Namespace) -> list[str]:
    """Names of tasks, or ["all"]; all of a trained policy are those that its card names, so that a
    later task does not change what an evaluation is.

    Raises:
        ValueError: there is no such policy.
    """
    if options.tasks != ["all"] or options.env != "pybullet" or not policy_options(options):
        return options.tasks
    _, card = saved_files(options.policy)
    return read_json(card).get("tasks") or options.tasks


def identity(options: argparse.Namespace) -> str:
    """What tells this evaluation from others in a folder of results.

    That is the policy, its weights if it has some, and whose scenes are played.

    Raises:
        ValueError: there is no such policy.
    """
    where = "" if options.env == "pybullet" else f"{options.env}: "
    scenes = f" scenes of {options.demos.resolve().name}" if options.demos else ""
    chosen = policy_options(options)
    if not chosen:
        return f"{where}{options.policy}{scenes}"
    weights, _ = saved_files(options.policy)
    named = " ".join(
        [options.policy, file_digest(weights), *(f"{k}={v}" for k, v in chosen.items())]
    )
    return f"{where}{named}{scenes}"


if __name__ == "__main__":
    sys.exit(main())
