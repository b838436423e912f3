"""One worker process as its parent sees it: what it does, until when, and how it is ended."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from sim.workers.jobs import Job

UNCOUNTED_TIMEOUT = 1800.0
"""Longest time of what does not count (`sim.workers.uncounted`), in seconds."""
STACK_WAIT = 3.0
"""Longest wait for a hanging worker to print where it hangs, in seconds."""
LOG_TAIL = 4000
"""Characters of a dead worker's output that are kept."""


@dataclass
class Attempt:
    """A job, and which attempt at it this is."""

    job: Job
    number: int = 1


@dataclass
class HiredWorker:
    """A process that was started.

    Attributes:
        process: of the worker.
        connection: to it.
        log: what it prints.
        deadline: by `time.monotonic()`, when it has to be heard of.
        ready: whether it has loaded its function.
        attempt: what it works on.
        served: jobs that it has done.
        left: seconds of its job's time, while time does not count (`sim.workers.uncounted`).
    """

    process: subprocess.Popen
    connection: Connection
    log: Path
    deadline: float
    ready: bool = False
    attempt: Attempt | None = None
    served: int = 0
    left: float | None = None

    def count(self, counts: bool) -> None:
        """From now on time counts against the job's limit, or does not."""
        now = time.monotonic()
        if counts:
            self.deadline, self.left = now + (self.left or 0.0), None
        else:
            self.deadline, self.left = now + UNCOUNTED_TIMEOUT, self.deadline - now

    def last_words(self) -> str:
        """The end of what it printed."""
        return self.log.read_text(errors="replace")[-LOG_TAIL:].strip()

    def tell_where_it_is(self) -> None:
        """Have a worker that hangs print its stack; return when it has, or soon if it cannot."""
        # The handler of faulthandler is C: it prints where Python is even if a library hangs.
        end, printed = time.monotonic() + STACK_WAIT, self.log.stat().st_size
        self.process.send_signal(signal.SIGUSR1)
        size = printed
        while time.monotonic() < end and self.process.poll() is None:
            time.sleep(0.1)
            before, size = size, self.log.stat().st_size
            if printed < size == before:
                return

    def kill(self) -> None:
        """End it at once."""
        self.connection.close()
        self.process.kill()
        self.process.wait()
