"""Run an evaluation in worker processes, resumably, and summarise it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from equigrasp.data.files import read_json, write_json
from equigrasp.data.folder_lock import hold_folder
from equigrasp.differences import differing_entries
from equigrasp.hand import Hand
from sim.clutter.metrics import summarise
from sim.clutter.planners import planner_label
from sim.clutter.protocol import EvalSettings
from sim.clutter.scene_lists import Key, public_object_names
from sim.workers.jobs import Failed, Job, Ok
from sim.workers.run import run_jobs

if TYPE_CHECKING:
    from sim.scene.builders import Scene

ROUND_TIMEOUT = 300.0


class SettingsMismatchError(ValueError):
    """The output folder holds an evaluation made with other settings."""


def run_evaluation(
    settings: EvalSettings,
    scenes: dict[Key, Scene],
    out: Path,
    *,
    hand: Hand | None = None,
    workers: int = 2,
    timeout_s: float = ROUND_TIMEOUT,
    engine: str = "local",
) -> dict[str, Any]:
    """Run the rounds that are still missing in `out` and write `summary.json`.

    Every finished round is one line of `rounds.jsonl`, on disk before the next is counted; a killed
    run goes on where it stopped.

    Args:
        settings: of the evaluation.
        scenes: scene by (seed, round).
        out: folder of the results.
        hand: that of the settings, with the folders of its files; needed where it has files.
        workers: processes that play rounds.
        timeout_s: longest time for a round, seconds.
        engine: "local" or "ray", see `sim.workers.run`.

    Returns:
        The summary (see `sim.clutter.metrics.summarise`) with settings and wall time.

    Raises:
        SettingsMismatchError: if `out` was begun with other settings.
        FolderBusyError: if another run works on `out`.
        ImportError: for engine "ray" without Ray.
    """
    with hold_folder(out, "give another --out"):
        return _run(settings, scenes, out, hand, workers, timeout_s, engine)


def _run(
    settings: EvalSettings,
    scenes: dict[Key, Scene],
    out: Path,
    hand: Hand | None,
    workers: int,
    timeout_s: float,
    engine: str,
) -> dict[str, Any]:
    agree(settings.to_dict(), out)
    begin = time.perf_counter()
    hand = hand or Hand.of(settings.hand)
    jobs = [round_job(key, settings, scene, hand) for key, scene in scenes.items()]
    function, log = "sim.clutter.rounds:run_round", out / "rounds.jsonl"
    how = {"workers": workers, "timeout_s": timeout_s, "engine": engine}
    records, crashes = play_missing(function, jobs, log, out.name, **how)
    summary = summarise(records, len(crashes))
    summary["settings"] = public_settings(settings)
    summary["wall_seconds"] = round(time.perf_counter() - begin, 1)
    summary["round_seconds"] = round(sum(r["seconds"] for r in records), 1)
    write_json(out / "summary.json", summary)
    return summary


def round_job(key: Key, settings: EvalSettings, scene: Scene, hand: Hand, **more: Any) -> Job:
    """A job of one round, for a function of a worker that takes what `run_round` takes.

    Args:
        hand: that of the settings, with the folders of its files.
        more: of its arguments.
    """
    told = {"settings": settings.to_dict(), "scene": scene.to_json()}
    where = {"seed": key[0], "index": key[1], "hand": hand.to_dict(folders=True)}
    return Job(key, {**told, **where, **more})


def play_missing(
    function: str,
    jobs: Iterable[Job],
    log: Path,
    title: str,
    *,
    workers: int,
    timeout_s: float,
    engine: str = "local",
) -> tuple[list[dict[str, Any]], list[Failed]]:
    """Play the rounds that a log lacks. Each becomes a line, on the disk before the next counts.

    Args:
        function: "module:callable" for workers, that returns a record: JSON-able, with "seed" and
            "round".
        jobs: of all rounds, by (seed, round).
        log: lines of JSON.
        title: of the progress bar.
        workers, timeout_s, engine: see `sim.workers.run.run_jobs`.

    Returns:
        The records of the jobs in order of their keys, and what was lost; it is tried again next
        time.

    Raises:
        RuntimeError: there is not a single record; the message holds the first reason.
    """
    jobs = {job.key: job for job in jobs}
    done = {(r["seed"], r["round"]): r for r in read_rounds(log)}
    missing = [job for key, job in jobs.items() if key not in done]
    crashes: list[Failed] = []
    with open(log, "a", encoding="utf-8") as stream:
        bar = tqdm(total=len(jobs), initial=len(jobs) - len(missing), desc=title)

        def keep(result: Ok | Failed) -> None:
            bar.update()
            if isinstance(result, Failed):
                crashes.append(result)
                tqdm.write(f"round {result.key} lost ({result.reason}): {result.message}")
                return
            done[result.key] = result.value
            stream.write(json.dumps(result.value) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

        how = {"workers": workers, "timeout_s": timeout_s, "engine": engine}
        run_jobs(function, missing, on_result=keep, **how)
        bar.close()
    if crashes and not done:
        raise RuntimeError(f"every round failed; the first: {crashes[0].told}")
    return [done[key] for key in sorted(done) if key in jobs], crashes


def read_rounds(path: Path) -> list[dict[str, Any]]:
    """Finished rounds of an evaluation; a line torn by a kill is left out and cut off."""
    if not path.exists():
        return []
    records, good = [], 0
    with open(path, "rb") as stream:
        for line in stream:
            try:
                records.append(json.loads(line))
            except ValueError:
                break
            good += len(line)
    if good < path.stat().st_size:
        print(f"{path.name}: the last line was torn and is redone", file=sys.stderr)
        os.truncate(path, good)
    return records


def public_settings(settings: EvalSettings) -> dict[str, Any]:
    """Settings without machine paths, for result files."""
    values = settings.to_dict()
    values["objects"] = public_object_names(settings.objects)
    values["model"] = planner_label(settings.model)
    values["hand"] = settings.hand["name"]
    return values


def agree(mine: dict[str, Any], out: Path) -> None:
    """Write down what the rounds of a folder depend on, or compare with what stands there.

    Args:
        mine: `EvalSettings.to_dict()`, and what else decides.
        out: folder of the results.

    Raises:
        SettingsMismatchError: it was begun with other settings.
        ValueError: it holds something else.
    """
    path = out / "settings.json"
    if path.exists():
        # What a file of before does not name was as it is by default.
        theirs = {**EvalSettings().to_dict(), **_read_settings(path)}
        wrong = [
            f"{'.'.join(name)}={old!r} (now {new!r})"
            for name, old, new in differing_entries(theirs, mine)
        ]
        if wrong:
            listed = ", ".join(wrong)
            raise SettingsMismatchError(
                f"{out} was begun with {listed}; give another --out or remove the folder"
            )
    write_json(path, mine)


def _read_settings(path: Path) -> dict[str, Any]:
    found = read_json(path)
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no settings; remove the folder or give another --out")
    return found
