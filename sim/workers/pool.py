"""The parent side of `sim.workers.run`: hire, feed, watch and replace worker processes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from sim.workers import hired
from sim.workers.hired import Attempt, HiredWorker
from sim.workers.jobs import Counts, Failed, Job, Limits, Ok, WorkerError
from sim.workers.scratch import scratch_folder

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
START_TIMEOUT = 300.0
"""Longest time a worker may take to import its function, in seconds."""
MAX_FAILED_STARTS = 3
"""Starts in a row that may fail before the run is given up."""


@dataclass
class Pool:
    """One run: its workers and its queue.

    Attributes:
        function, limits, on_result: see `sim.workers.run.run_jobs`.
        folder: for what workers print and for their scratch files.
        workers: those that live.
        queue: attempts that have to be made again.
        counts: of the run so far.
        failed_starts: in a row; workers that died before they were ready.
        started: workers so far.
    """

    function: str
    limits: Limits
    on_result: Callable[[Ok | Failed], None]
    folder: Path
    workers: list[HiredWorker] = field(default_factory=list)
    queue: deque[Attempt] = field(default_factory=deque)
    counts: Counts = field(default_factory=Counts)
    failed_starts: int = 0
    started: int = 0

    def run(self, jobs: Iterator[Job]) -> None:
        """Work off all jobs.

        Raises:
            WorkerError: if the function cannot be loaded or workers die before their first job.
        """
        while True:
            self._hire(jobs)
            if not self.workers:
                return
            soonest = min(w.deadline for w in self.workers)
            connections = {w.connection: w for w in self.workers}
            for ready in wait(connections, max(0.0, soonest - time.monotonic())):
                self._hear(connections[ready])
            now = time.monotonic()
            for worker in [w for w in self.workers if w.deadline <= now]:
                if not worker.connection.poll():  # else it answered while we were busy here
                    self._overdue(worker)

    def _next(self, jobs: Iterator[Job]) -> Attempt | None:
        if self.queue:
            return self.queue.popleft()
        job = next(jobs, None)
        return None if job is None else Attempt(job)

    def _hire(self, jobs: Iterator[Job]) -> None:
        """Give every idle worker a job, start workers for more jobs, dismiss the rest."""
        for worker in [w for w in self.workers if w.ready and w.attempt is None]:
            attempt = self._next(jobs)
            if attempt is None:
                self._dismiss(worker)
            else:
                self._send(worker, attempt)
        while len(self.workers) < self.limits.workers:
            attempt = self._next(jobs)
            if attempt is None:
                return
            # The job waits with the worker: it counts against the time-out once it is sent.
            self.workers.append(self._start())
            self.workers[-1].attempt = attempt

    def _start(self) -> HiredWorker:
        self.started += 1
        log = self.folder / f"worker-{self.started}.log"
        ours, theirs = socket.socketpair()
        with theirs, open(log, "ab") as output:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "sim.workers.process",
                    str(theirs.fileno()),
                    str(os.getpid()),
                ],
                env=_environment(self.limits.threads, self.folder),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        connection = Connection(ours.detach())
        worker = HiredWorker(process, connection, log, time.monotonic() + START_TIMEOUT)
        with contextlib.suppress(ConnectionError):  # a dead worker is noticed when heard
            setup = {"function": self.function, "path": sys.path, "threads": self.limits.threads}
            connection.send(setup)
        return worker

    def _send(self, worker: HiredWorker, attempt: Attempt) -> None:
        worker.attempt = attempt
        worker.deadline = time.monotonic() + self.limits.timeout_s
        with contextlib.suppress(ConnectionError):
            worker.connection.send(attempt.job.kwargs)

    def _hear(self, worker: HiredWorker) -> None:
        try:
            message = worker.connection.recv()
        except (EOFError, ConnectionError):
            self._died(worker)
            return
        if not worker.ready:
            if not message["ready"]:
                raise WorkerError(f"cannot load {self.function}:\n{message['traceback']}")
            worker.ready, self.failed_starts = True, 0
            attempt, worker.attempt = worker.attempt, None
            self._send(worker, attempt)
            return
        if "counts" in message:
            worker.count(message["counts"])
            return
        attempt, worker.attempt = worker.attempt, None
        worker.served += 1
        worker.deadline = float("inf")
        worn = worker.served >= self.limits.max_jobs_per_worker
        if worn or message["rss"] > self.limits.max_memory:
            self._dismiss(worker)
        self._finish(attempt, message)

    def _finish(self, attempt: Attempt, message: dict[str, Any]) -> None:
        key, number = attempt.job.key, attempt.number
        if message["ok"]:
            self.counts.ok += 1
            self.on_result(
                Ok(key, message["value"], number, message["seconds"], message["cpu_seconds"])
            )
            return
        # The same code on the same arguments fails the same way: no second attempt.
        self.counts.failed += 1
        self.on_result(
            Failed(
                key,
                "exception",
                message["message"],
                message["traceback"],
                number,
                tuple(message["kinds"]),
            )
        )

    def _died(self, worker: HiredWorker) -> None:
        self.workers.remove(worker)
        self.counts.restarts += 1
        worker.connection.close()
        try:
            code = worker.process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:  # it closed its connection and lives on
            worker.kill()
            code = worker.process.returncode
        self._lost(worker, "crash", f"the worker process {_describe_exit(code)}")

    def _overdue(self, worker: HiredWorker) -> None:
        self.workers.remove(worker)
        self.counts.restarts += 1
        worker.tell_where_it_is()
        worker.kill()
        limit = self.limits.timeout_s if worker.ready else START_TIMEOUT
        limit = limit if worker.left is None else hired.UNCOUNTED_TIMEOUT
        self._lost(worker, "timeout", f"no result within {limit:g} s")

    def _lost(self, worker: HiredWorker, reason: str, message: str) -> None:
        """A worker is gone; try its job again, or give the job up."""
        attempt, words = worker.attempt, worker.last_words()
        if not worker.ready:
            self.failed_starts += 1
            if self.failed_starts >= MAX_FAILED_STARTS:
                raise WorkerError(f"workers do not start: {message}\n{words}")
            self.queue.append(attempt)
        elif attempt.number <= self.limits.retries:
            self.counts.retried += 1
            self.queue.append(Attempt(attempt.job, attempt.number + 1))
        else:
            self.counts.failed += 1
            self.on_result(Failed(attempt.job.key, reason, message, words, attempt.number))

    def _dismiss(self, worker: HiredWorker) -> None:
        self.workers.remove(worker)
        with contextlib.suppress(ConnectionError):
            worker.connection.send(None)
        try:
            worker.process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        worker.connection.close()

    def close(self) -> None:
        """Kill what still works."""
        for worker in self.workers:
            worker.kill()
        self.workers.clear()


def run_locally(
    function: str, jobs: Iterable[Job], limits: Limits, on_result: Callable[[Ok | Failed], None]
) -> Counts:
    """See `sim.workers.run.run_jobs`: one pool of worker processes on this machine."""
    with scratch_folder() as folder:
        pool = Pool(function, limits, on_result, folder)
        try:
            pool.run(iter(jobs))
        finally:
            pool.close()
        return pool.counts


def _environment(threads: int, scratch: Path) -> dict[str, str]:
    """Environment of a worker: few threads, our modules, and scratch files that go with the run."""
    return {
        **os.environ,
        **{name: str(threads) for name in THREAD_VARIABLES},
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "TMPDIR": str(scratch),
    }


def _describe_exit(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"
