"""What goes to workers and what comes back: jobs, outcomes, totals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ENGINES = ("local", "ray")


class WorkerError(RuntimeError):
    """Workers cannot be started at all; the message holds what they said."""


@dataclass(frozen=True)
class Job:
    """One call of the function: a name for reports, and keyword arguments that can be pickled."""

    key: Any
    kwargs: dict[str, Any]


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
