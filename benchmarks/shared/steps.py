"""Training steps on made-up batches, and what they cost."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from equigrasp.training.grasp_recipe import TrainingStep


def step_function(step: TrainingStep, batch: dict[str, Tensor]) -> Callable[[], None]:
    """One optimiser step of a grasp model on a fixed batch."""
    generator = torch.Generator().manual_seed(0)
    return optimiser_step(step, lambda: step(batch, generator)["loss"])


def optimiser_step(module: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """One step of AdamW on a loss of the module's parameters."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-4)

    def run() -> None:
        loss().backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return run


def measure(
    variants: dict[str, Callable[[], None]], seconds: float
) -> dict[str, tuple[float, float]]:
    """Median (wall, CPU) seconds per step, rounds alternating until the time is used (3 at least).

    Waiting for a busy machine lengthens wall time only, so the CPU times show whether a wall-time
    ratio can be trusted.
    """
    for run in variants.values():
        run()  # warm-up: allocations, kernel bases
    _finish_on_gpu()
    wall: dict[str, list[float]] = {name: [] for name in variants}
    cpu: dict[str, list[float]] = {name: [] for name in variants}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(wall.values()))) < 3:
        for name, run in variants.items():
            start, start_cpu = time.perf_counter(), time.process_time()
            run()
            _finish_on_gpu()
            wall[name].append(time.perf_counter() - start)
            cpu[name].append(time.process_time() - start_cpu)
    return {name: (statistics.median(wall[name]), statistics.median(cpu[name])) for name in wall}


def peak_bytes(run: Callable[[], None]) -> float:
    """Largest amount of memory that torch held at a time during a call, beyond what it had."""
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        return float(torch.cuda.max_memory_allocated() - before)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        run()
    changes = [
        event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"
    ]
    held = top = 0
    for event in sorted(changes, key=lambda event: event.start_ns()):
        held += event.nbytes()
        top = max(top, held)
    return float(top)


def _finish_on_gpu() -> None:
    """Wait for what was handed to a GPU, so that its time counts."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
