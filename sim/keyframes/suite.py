"""The side of an evaluation that starts workers: which tasks there are, and rows of episodes.

No simulator is loaded here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from equigrasp.policy.episodes.files import find_episodes
from sim.workers.jobs import Failed, Job, Ok
from sim.workers.run import run_jobs

KEY = ("task", "seed", "index")
"""What names an episode."""


def known_tasks(wanted: Sequence[str], env: str = "pybullet") -> dict[str, int]:
    """Number of variations by name of task, asked of a worker: this process loads no simulator.

    Args:
        wanted, env: see `sim.keyframes.rollout.describe_tasks`.

    Raises:
        ValueError: there is no task of that name.
    """
    found: list[Ok | Failed] = []
    run_jobs(
        "sim.keyframes.rollout:describe_tasks",
        [Job("tasks", {"tasks": list(wanted), "env": env})],
        workers=1,
        timeout_s=120.0,
        on_result=found.append,
    )
    if isinstance(found[0], Failed):
        raise ValueError(found[0].message)
    return found[0].value


def episode_row(result: Ok | Failed) -> dict[str, Any]:
    """What `play_episode` returned; an episode that broke off counts as failed, for that reason.

    Raises:
        ValueError: the episode broke off because a person asked for something impossible.
    """
    if isinstance(result, Ok):
        return dict(result.value)
    task, seed, index = result.key
    if {"ValueError", "FileNotFoundError", "ModuleNotFoundError"} & set(result.kinds):
        raise ValueError(result.message)
    return {
        "task": task,
        "seed": seed,
        "index": index,
        "variation": None,
        "sentence": None,
        "success": False,
        "failure": result.reason,
        "keyframes": 0,
        "film": [],
    }


def read_rows(path: Path, policy: str, key: Sequence[str] = KEY) -> dict[tuple, dict[str, Any]]:
    """Rows of a file of results by what names an episode; torn lines are passed over.

    Args:
        path: of the file, a row a line; it need not be there.
        policy: what the rows have to be of.
        key: what names an episode.

    Raises:
        ValueError: they are another policy's.
    """
    rows: dict[tuple, dict[str, Any]] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if row.pop("policy") != policy:
            raise ValueError(f"{path} holds results of another policy; give another --out")
        rows[tuple(row[name] for name in key)] = row
    return rows


def keep_row(path: Path, policy: str, row: Mapping[str, Any]) -> None:
    """Add a row to a file that `read_rows` reads; one torn by a kill is passed over there.

    Args:
        path: of the file.
        policy: what the row is of.
        row: JSON-able.
    """
    with path.open("a") as file:
        file.write(json.dumps({"policy": policy, **row}) + "\n")


def file_digest(path: Path) -> str:
    """Short digest of a file, of weights for instance, to tell results of one from another's."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def shared_name(policy: str) -> str:
    """A policy as workers find it, which on a cluster start in folders of their own."""
    return str(Path(policy).resolve()) if Path(policy).exists() else policy


def saved_files(policy: str) -> tuple[Path, Path]:
    """Tensors and card of a trained policy.

    Raises:
        ValueError: there is no such policy.
    """
    from equigrasp.policy.saved import find_policy

    try:
        return find_policy(policy)
    except FileNotFoundError as error:
        raise ValueError(f"{error}; or oracle, or MODULE:CLASS of your own") from error


def stored_episodes(folder: Path, tasks: Iterable[str]) -> dict[str, int]:
    """Number of episodes of every task in a folder in RLBench's layout.

    Raises:
        ValueError: the folder has none of one of the tasks.
    """
    try:
        found = {task: len(find_episodes(folder, [task])) for task in tasks}
    except FileNotFoundError as error:
        raise ValueError(f"--demos: {error}") from error
    if empty := [task for task, count in found.items() if not count]:
        raise ValueError(f"--demos {folder} has no episode of {empty[0]}; give its --tasks")
    return found
