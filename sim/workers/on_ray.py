"""`run_jobs` over the machines of a Ray cluster.

Ray only spreads the work: on each machine a local worker process runs the jobs, so that time-outs,
crashes and retries mean the same everywhere. Jobs travel in small chunks, because a fresh process
takes seconds to import the simulator. What jobs write has to lie on storage that all machines see.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from equigrasp.optional import require
from sim.workers.jobs import Counts, Failed, Job, Limits, Ok
from sim.workers.pool import run_locally

CHUNK = 8
"""Jobs sent to a machine at once, and the most that a lost machine has to do again."""
START_WAIT = 300
"""Longest wait for a Ray of our own to start, in seconds."""
LOST_MACHINES = 3
"""Times that Ray starts a chunk afresh elsewhere when its machine is lost."""


def run_on_ray(
    function: str, jobs: Iterable[Job], limits: Limits, on_result: Callable[[Ok | Failed], None]
) -> Counts:
    """See `sim.workers.run.run_jobs`; `limits.workers` chunks are under way at a time.

    Joins the cluster that RAY_ADDRESS names; without one, that which runs on this machine, or else
    (and with RAY_ADDRESS=local) Ray starts here.

    Raises:
        ImportError: if Ray is not installed.
    """
    # Read when Ray is imported. A busy machine exceeds the 30 s after which Ray gives up.
    os.environ.setdefault("RAY_raylet_start_wait_time_s", str(START_WAIT))
    ray = require("ray", "engine 'ray'")
    ours = not ray.is_initialized()
    if ours:
        ray.init(log_to_driver=False, include_dashboard=False)
    try:
        remote = ray.remote(run_chunk).options(num_cpus=limits.threads, max_retries=LOST_MACHINES)
        left = iter(jobs)
        chunks = iter(lambda: list(itertools.islice(left, CHUNK)), [])
        running: set[Any] = set()
        totals = Counts()
        while True:
            for chunk in itertools.islice(chunks, limits.workers - len(running)):
                running.add(remote.remote(function, chunk, limits, sys.path))
            if not running:
                return totals
            done, _ = ray.wait(list(running), num_returns=1)
            running.difference_update(done)
            for reference in done:
                counts, results = ray.get(reference)
                totals.add(counts)
                for result in results:
                    on_result(result)
    finally:
        if ours:
            ray.shutdown()


def run_chunk(
    function: str, jobs: list[Job], limits: Limits, path: list[str]
) -> tuple[Counts, list[Ok | Failed]]:
    """Run a few jobs one after another in a local worker process; module path as given."""
    sys.path[:] = path
    results: list[Ok | Failed] = []
    counts = run_locally(function, jobs, replace(limits, workers=1), results.append)
    return counts, results
