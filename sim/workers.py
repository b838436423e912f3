"""Run tasks in spawned processes, so that a crash or a hang costs one task and never the run.

PyBullet and Embree are C++ that can abort, fault or hang; no exception handler catches that. Here
each task runs in a worker process of its own Python, which is killed when it takes too long and
replaced when it dies. The parent imports nothing but the standard library.

A worker is told apart from its siblings by nothing: results may depend on the task alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENGINES = ("local", "ray")


class WorkerError(RuntimeError):
    """Workers cannot be started at all; the message holds what they said."""


@dataclass(frozen=True)
class Task:
    """One call of the function: a name for reports, and keyword arguments that can be pickled."""

    key: Any
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class Ok:
    """A task that returned.

    Attributes:
        value: what it returned.
        attempts: 1, or more if earlier attempts crashed or ran out of time.
        seconds, cpu_seconds: wall and processor time of the last attempt.
    """

    key: Any
    value: Any
    attempts: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Failed:
    """A task given up after its retries.

    Attributes:
        reason: "exception", "crash" or "timeout".
        message: one line for a person.
        traceback: Python traceback, or the last output of a worker that died.
        kinds: class names of the exception and its bases, empty otherwise.
    """

    key: Any
    reason: str
    message: str
    traceback: str
    attempts: int
    kinds: tuple[str, ...] = ()


@dataclass
class Counts:
    """Totals of a run. `restarts` counts workers replaced after a crash or a time-out."""

    ok: int = 0
    failed: int = 0
    retried: int = 0
    restarts: int = 0

    def add(self, other: Counts) -> None:
        """Add another run's totals to these."""
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def run_tasks(
    function: str,
    tasks: Iterable[Task],
    *,
    workers: int,
    timeout_s: float,
    on_result: Callable[[Ok | Failed], None],
    retries: int = 1,
    max_tasks_per_worker: int = 200,
    max_memory: int = 4 << 30,
    threads: int = 1,
    engine: str = "local",
) -> Counts:
    """Call a function once per task, in worker processes, and report each outcome.

    Args:
        function: "module:callable"; called with the task's keyword arguments.
        tasks: consumed as workers become free.
        workers: number of processes.
        timeout_s: longest wall time of one attempt; the worker is killed beyond it.
        on_result: called here, in the order of completion. What it raises ends the run.
        retries: further attempts after a crash or a time-out. Exceptions are not retried.
        max_tasks_per_worker: a worker is replaced after so many tasks (Bullet leaks a little).
        max_memory: a worker is replaced after a task that leaves it with more bytes than this.
        threads: threads of numerical libraries within each worker.
        engine: "local", or "ray" for the processes of a Ray cluster (`workers` at a time).

    Raises:
        ValueError: for a limit below 1 or an unknown engine.
        WorkerError: if the function cannot be loaded or workers die before their first task.
        ImportError: for engine "ray" without Ray.
    """
    limits = {"workers": workers, "max_tasks_per_worker": max_tasks_per_worker, "threads": threads}
    for name, value in limits.items():
        if value < 1:
            raise ValueError(f"{name} is {value}; give at least 1")
    if timeout_s <= 0 or retries < 0:
        raise ValueError(f"timeout_s={timeout_s}, retries={retries}; give > 0 and >= 0")
    if engine == "ray":
        from sim.ray_engine import run_on_ray

        return run_on_ray(function, tasks, workers, timeout_s, on_result, retries, threads)
    if engine != "local":
        raise ValueError(f"engine is '{engine}'; choose one of {', '.join(ENGINES)}")
    from sim.worker_pool import Pool

    with tempfile.TemporaryDirectory(prefix="equigrasp-workers-") as folder:
        pool = Pool(
            function,
            timeout_s,
            retries,
            on_result,
            max_tasks_per_worker,
            max_memory,
            threads,
            Path(folder),
        )
        try:
            pool.run(iter(tasks), workers)
        finally:
            pool.close()
        return pool.counts
