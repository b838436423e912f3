"""Four programs at their smallest: started as processes, and what they leave behind, compared.

Data generation, training, evaluation and demonstrations are forked from this process, so that a
start costs no imports; their simulator workers are processes of their own as always.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import runpy
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

IGNORED = {"minutes", "seconds", "wall_seconds", "round_seconds", "cpu_seconds", "timings"}
"""Entries of records that tell a time."""


@dataclass(frozen=True)
class Program:
    """One program at work on a folder.

    Attributes:
        name: of the stage.
        run: does all the work on a folder; the same call goes on where an earlier one stopped.
        digest: what the folder holds: relative path, or number of a record, to a hash.
        fits: bytes of a disk that holds some of the work, not all of it.
    """

    name: str
    run: Callable[[Path], int]
    digest: Callable[[Path], dict[str, str]]
    fits: int


def start(program: Program, folder: Path, log: Path) -> int:
    """Fork a process, leader of a group of its own, that runs a program; its process id.

    Args:
        program, folder: what to do, and where.
        log: gets what it prints.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.setsid()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        for number in (1, 2):
            os.dup2(output, number)
        sys.stdout, sys.stderr = (open(n, "w", buffering=1, closefd=False) for n in (1, 2))  # noqa: SIM115
        try:
            code = program.run(folder)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
            if isinstance(error.code, str):
                print(error.code, file=sys.stderr)
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def wait(pid: int, seconds: float = float("inf")) -> int | None:
    """Exit code of a forked process (negative: its signal), None if it still runs after so long."""
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= end:
            return None
        time.sleep(0.005)


def kill(pid: int, *, alone: bool) -> None:
    """SIGKILL a forked process, with its workers or `alone`, and wait for it."""
    (os.kill if alone else os.killpg)(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def complete(program: Program, folder: Path, log: Path) -> int:
    """Run a program to its end; its exit code."""
    return wait(start(program, folder, log)) or 0


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Names that only one of two digests has, or that differ."""
    names = sorted(set(expected) | set(found))
    return [name for name in names if expected.get(name) != found.get(name)]


def file_digest(folder: Path) -> dict[str, str]:
    """Hash of every file below a folder but locks and logs, hidden leftovers included."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock" and path.parent.name != "logs"
    }


def record_digest(path: Path) -> dict[str, str]:
    """Hash of every record of a file of JSON lines, without times; keys tell which it is."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        key = str([record.get(name) for name in ("kind", "step", "seed", "round")])
        text = json.dumps(_timeless(record), sort_keys=True)
        if key in found:
            key += " again"
        found[key] = hashlib.sha256(text.encode()).hexdigest()
    return found


def _timeless(record: object) -> object:
    if isinstance(record, dict):
        return {name: _timeless(value) for name, value in record.items() if name not in IGNORED}
    return [_timeless(value) for value in record] if isinstance(record, list) else record


def _data(folder: Path) -> int:
    from data_gen.command import main
    from sim.scene.kinds import find_kind

    return main(
        find_kind("pile"),
        ["--scenes", "5", "--num-objects", "1", "--grasps-per-scene", "2"]
        + ["--occupancy-points", "64", "--workers", "1", "--out", str(folder)],
    )


def _demonstrations(folder: Path) -> int:
    from data_gen.demos import main

    return main(
        ["--tasks", "press_buttons", "--episodes", "3", "--image-size", "8"]
        + ["--workers", "1", "--out", str(folder)]
    )


def _evaluation(folder: Path) -> int:
    from sim.clutter_eval import main

    return main(
        ["--scene", "pile", "--model", "antipodal", "--rounds", "3", "--seeds", "1"]
        + ["--num-objects", "1", "--workers", "1", "--out", str(folder)]
    )


TINY = (
    "trainer=quick",
    *("model.resolution=16", "model.fields=2", "model.depth=2"),
    *("model.head_fields=4", "model.head_blocks=1"),
    *("data.sample.queries=24", "data.sample.occupancy_points=48", "data.validation_queries=24"),
    *("trainer.max_steps=24", "trainer.batch_size=2", "trainer.threads=1", "trainer.workers=0"),
    *("trainer.validate_every=12", "trainer.checkpoint_every=4", "trainer.log_every=1"),
)
"""A training of seconds."""


def _training(data: Path) -> Callable[[Path], int]:
    def run(folder: Path) -> int:
        # Hydra finds its configurations from the file that was started.
        sys.argv = ["train", *TINY, f"data.dirs=[{data}]", "name=tiny", f"run_dir={folder}"]
        sys.modules.pop("equigrasp.train", None)  # runpy warns of a module that is there already
        runpy.run_module("equigrasp.train", run_name="__main__", alter_sys=True)
        return 0

    return run


def _evaluation_digest(folder: Path) -> dict[str, str]:
    scenes = hashlib.sha256((folder / "scenes.json").read_bytes()).hexdigest()
    return {"scenes": scenes, **record_digest(folder / "rectified" / "rounds.jsonl")}


def _training_digest(folder: Path) -> dict[str, str]:
    weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    return {"weights": weights, **record_digest(folder / "metrics.jsonl")}


def programs(scratch: Path) -> list[Program]:
    """The four programs; training learns from a data set that is made below `scratch`."""
    for name in ("equigrasp.training.loop", "lightning.fabric", "matplotlib.pyplot"):
        importlib.import_module(name)  # once, before the forks
    import torch.utils.tensorboard

    from equigrasp.data.synthetic import write_synthetic_data_set

    torch.set_num_threads(1)
    made_up = scratch / "made_up"
    if not made_up.exists():
        write_synthetic_data_set(made_up, 8, seed=2, grasps=40, occupancy_points=500)
    return [
        Program("data", _data, file_digest, 48 << 10),
        Program("training", _training(made_up), _training_digest, 96 << 10),
        Program("evaluation", _evaluation, _evaluation_digest, 8 << 10),
        Program("demonstrations", _demonstrations, file_digest, 512 << 10),
    ]
