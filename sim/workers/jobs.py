"""What goes to workers and what comes back: jobs, limits, outcomes, totals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MAX_JOBS = 200
"""Jobs after which a worker is replaced: Bullet leaks a little."""
MAX_MEMORY = 4 << 30
"""Bytes that a worker may hold after a job without being replaced."""


MENDABLE = ("ValueError", "FileNotFoundError", "ImportError")
"""Kinds of errors whose message tells a user what to mend."""


class WorkerError(RuntimeError):
    """Workers cannot be started at all; the message holds what they said."""


@dataclass(frozen=True)
class Job:
    """One call of the function: a name for reports, and keyword arguments that can be pickled."""

    key: Any
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """What a run may use; none of it changes what jobs return.

    Attributes:
        workers: processes at a time.
        timeout_s: longest wall time of one attempt; the worker is killed beyond it.
        retries: further attempts after a crash or a time-out. Exceptions are not retried.
        threads: of numerical libraries within each worker.
        max_jobs_per_worker: a worker is replaced after so many jobs.
        max_memory: a worker is replaced after a job that leaves it with more bytes than this.

    Raises:
        ValueError: naming the value and its limit.
    """

    workers: int
    timeout_s: float
    retries: int = 1
    threads: int = 1
    max_jobs_per_worker: int = MAX_JOBS
    max_memory: int = MAX_MEMORY

    def __post_init__(self) -> None:
        for name in ("workers", "threads", "max_jobs_per_worker"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 1")
        if self.timeout_s <= 0 or self.retries < 0:
            raise ValueError(
                f"timeout_s={self.timeout_s}, retries={self.retries}; give > 0 and >= 0"
            )


@dataclass(frozen=True)
class Ok:
    """A job that returned.

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
    """A job given up after its retries.

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

    @property
    def told(self) -> str:
        """The sentence alone of an error that was raised for a user to mend; else all there is."""
        place = self.traceback.rpartition('  File "')[2].splitlines()[1:2]  # where it was raised
        raised = any(line.strip().startswith("raise ") for line in place)  # not met by chance
        if raised and set(MENDABLE) & set(self.kinds):
            return self.message.partition(": ")[2]
        return f"{self.message}\n{self.traceback}"


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
