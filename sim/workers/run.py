"""Run jobs in spawned processes, so that a crash or a hang costs one job and never the run.

PyBullet and Embree are C++ that can abort, fault or hang; no exception handler catches that. Here
each job runs in a worker process of its own Python, which is killed when it takes too long and
replaced when it dies. The parent imports nothing but the standard library.

A worker is told apart from its siblings by nothing: results may depend on the job alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sim.workers.jobs import MAX_JOBS, MAX_MEMORY, Counts, Failed, Job, Limits, Ok
from sim.workers.on_ray import run_on_ray
from sim.workers.pool import run_locally

ENGINES = {"local": run_locally, "ray": run_on_ray}


def run_jobs(
    function: str,
    jobs: Iterable[Job],
    *,
    workers: int,
    timeout_s: float,
    on_result: Callable[[Ok | Failed], None],
    retries: int = 1,
    max_jobs_per_worker: int = MAX_JOBS,
    max_memory: int = MAX_MEMORY,
    threads: int = 1,
    engine: str = "local",
) -> Counts:
    """Call a function once per job, in worker processes, and report each outcome.

    Args:
        function: "module:callable"; called with the job's keyword arguments.
        jobs: consumed as workers become free.
        on_result: called here, in the order of completion. What it raises ends the run.
        engine: "local", or "ray" for the processes of a Ray cluster (`workers` at a time).
        workers, timeout_s, retries, threads, max_jobs_per_worker, max_memory: see `Limits`.

    Raises:
        ValueError: for a limit that makes no sense or an unknown engine.
        WorkerError: if the function cannot be loaded or workers die before their first job.
        ImportError: for engine "ray" without Ray.
    """
    limits = Limits(workers, timeout_s, retries, threads, max_jobs_per_worker, max_memory)
    if engine not in ENGINES:
        raise ValueError(f"engine is '{engine}'; choose one of {', '.join(ENGINES)}")
    return ENGINES[engine](function, jobs, limits, on_result)
