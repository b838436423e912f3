"""What programs that make episodes have in common: settings that stay, and jobs that report."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_gen.data_set import FATAL, GenerationError
from equigrasp.data.files import read_json, write_json
from equigrasp.progress import ProgressLine
from equigrasp.sizes import HELP
from sim.workers.jobs import Failed, Job, Ok
from sim.workers.run import run_jobs

MANIFEST = "manifest.json"


def episode_parser(about: str, out: Path, episodes: str) -> argparse.ArgumentParser:
    """Options that every program has that makes episodes; each adds its own.

    Args:
        about: a sentence on what it makes.
        out: folder of the data set, where nobody chose.
        episodes: what `--episodes` counts, and how many without it.
    """
    parser = argparse.ArgumentParser(
        description=about,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        epilog="interrupted at any moment, the same command goes on and ends with the same files. "
        + HELP,
    )
    add = parser.add_argument
    add("--episodes", type=int, help=episodes)
    add("--out", type=Path, default=out, help="of the data set")
    add("--seed", type=int, default=0, help="of the data set")
    add("--workers", type=int, default=len(os.sched_getaffinity(0)))
    add("--timeout", type=float, default=120.0, help="seconds for an episode")
    return parser


def agree(out: Path, settings: Mapping[str, Any]) -> None:
    """Write down what the episodes of a folder depend on, or compare with what stands there.

    Args:
        out: folder of the data set.
        settings: JSON-able, by name.

    Raises:
        ValueError: the folder was begun with other settings.
    """
    path = out / MANIFEST
    if not path.exists():
        write_json(path, dict(settings))
        return
    known = read_json(path)
    if not isinstance(known, dict):
        raise ValueError(f"{path} holds no settings; choose another --out")
    for name in dict.fromkeys([*settings, *known]):
        if known.get(name) != settings.get(name):
            raise ValueError(
                f"{out} was begun with {name}={known.get(name)}, now it is {settings.get(name)}; "
                "give the same, or another --out"
            )


def make_episodes(
    function: str, todo: list[Job], *, workers: int, timeout_s: float, engine: str = "local"
) -> list[Failed]:
    """Make episodes in worker processes and say how far the run is; the failures are returned.

    Args:
        function: "module:callable" of a job's arguments.
        todo: a job an episode.
        workers: processes.
        timeout_s: longest time for an episode.
        engine: "local", or "ray"; see `sim.workers.run.run_jobs`.

    Raises:
        WorkerError: the simulator cannot be started.
        GenerationError: the machine fails (disk full, memory); nothing is lost.
        ImportError: for engine "ray" without Ray.
    """
    failures: list[Failed] = []

    def note(result: Ok | Failed) -> None:
        if isinstance(result, Failed):
            if FATAL & set(result.kinds):
                raise GenerationError(
                    f"{result.key}: {result.message}; mend that and run the same command again"
                )
            failures.append(result)
            print(f"\n{result.key}: {result.reason}: {result.message}", file=sys.stderr)
        progress.advance()

    limits = {"workers": workers, "timeout_s": timeout_s}
    with ProgressLine("episodes", len(todo)) as progress:
        run_jobs(function, todo, **limits, on_result=note, engine=engine)
    return failures
