"""Run jobs in spawned processes, so that a crash or a hang costs one job and never the run.

PyBullet and Embree are C++ that can abort, fault or hang; no exception handler catches that. Here
each job runs in a worker process of its own Python, which is killed when it takes too long and
replaced when it dies. The parent imports nothing but the standard library.

A worker is told apart from its siblings by nothing: results may depend on the job alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sim.workers.jobs import ENGINES, Counts, Failed, Job, Ok
from sim.workers.on_ray import run_on_ray
from sim.workers.pool import MAX_JOBS, MAX_MEMORY, run_locally


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
        workers: number of processes.
        timeout_s: longest wall time of one attempt; the worker is killed beyond it.
        on_result: called here, in the order of completion. What it raises ends the run.
        retries: further attempts after a crash or a time-out. Exceptions are not retried.
        max_jobs_per_worker: a worker is replaced after so many jobs (Bullet leaks a little).
        max_memory: a worker is replaced after a job that leaves it with more bytes than this.
        threads: threads of numerical libraries within each worker.
        engine: "local", or "ray" for the processes of a Ray cluster (`workers` at a time).

    Raises:
        ValueError: for a limit below 1 or an unknown engine.
        WorkerError: if the function cannot be loaded or workers die before their first job.
        ImportError: for engine "ray" without Ray.
    """
    limits = {"workers": workers, "max_jobs_per_worker": max_jobs_per_worker, "threads": threads}
    for name, value in limits.items():
        if value < 1:
            raise ValueError(f"{name} is {value}; give at least 1")
    if timeout_s <= 0 or retries < 0:
        raise ValueError(f"timeout_s={timeout_s}, retries={retries}; give > 0 and >= 0")
    if engine == "ray":
        return run_on_ray(function, jobs, workers, timeout_s, on_result, retries, threads)
    if engine != "local":
        raise ValueError(f"engine is '{engine}'; choose one of {', '.join(ENGINES)}")
    return run_locally(
        function,
        jobs,
        workers,
        timeout_s,
        on_result,
        retries,
        threads,
        max_jobs_per_worker,
        max_memory,
    )
