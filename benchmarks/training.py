"""Labels per second: scenes encoded once with Q queries each, against one grasp per encoding.

    python benchmarks/training.py [--quick] [--json results.json]

Published trainers (VGN, GIGA, IGD, EVG) encode the whole scene again for every grasp. Both
variants here run forward, backward and optimiser step of the same model with the same loss, the
same number of scene encodings per step and the same occupancy points per encoding; only the number
of labelled grasps per encoding differs. The batch is synthetic: time does not depend on its values.
Rounds of both variants alternate, and medians over rounds are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import equigrasp
from equigrasp.geometry.rotations import random_rotations
from equigrasp.models.losses import GraspLoss
from equigrasp.testing import synthetic_tsdf
from equigrasp.training.loop import TrainingStep
from equigrasp.training.memory import keep_freed_memory

RESULT = Path(__file__).parent / "results" / "training.json"


def synthetic_batch(
    scenes: int, queries: int, occupancy_points: int, resolution: int
) -> dict[str, Tensor]:
    """A training batch (keys of `equigrasp/data/dataset.py`) of random labels, half successes."""
    generator = torch.Generator().manual_seed(0)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    success = uniform(scenes, queries, 5) < 0.3
    success[:, ::2] = False
    success[:, ::2, 0] = True
    return {
        "tsdf": synthetic_tsdf(resolution, scenes, generator),
        "points": uniform(scenes, queries, 3) - 0.5,
        "label": success.any(-1).float(),
        "rotations": random_rotations((scenes, queries, 5), generator, torch.float32),
        "yaw_success": success,
        "widths": 0.08 * uniform(scenes, queries, 5),
        "mask": torch.ones(scenes, queries, dtype=torch.bool),
        "occ_points": uniform(scenes, occupancy_points, 3) - 0.5,
        "occ": (uniform(scenes, occupancy_points) < 0.2).float(),
    }


def step_function(step: TrainingStep, batch: dict[str, Tensor]) -> Callable[[], None]:
    """One optimiser step on a fixed batch."""
    optimizer = torch.optim.AdamW(step.parameters(), lr=1e-4)

    def run() -> None:
        step(batch)["loss"].backward()
        torch.nn.utils.clip_grad_norm_(step.parameters(), 1.0)
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
    wall: dict[str, list[float]] = {name: [] for name in variants}
    cpu: dict[str, list[float]] = {name: [] for name in variants}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(wall.values()))) < 3:
        for name, run in variants.items():
            start, start_cpu = time.perf_counter(), time.process_time()
            run()
            wall[name].append(time.perf_counter() - start)
            cpu[name].append(time.process_time() - start_cpu)
    return {name: (statistics.median(wall[name]), statistics.median(cpu[name])) for name in wall}


def processor() -> str:
    """Model name of the CPU, as the system reports it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    """Measure, print, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="under 50 s on 2 cores")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    parser.add_argument("--record", action="store_true", help=f"write {RESULT.name} in results/")
    parser.add_argument("--model", default="equigiga")
    parser.add_argument("--scenes", type=int, default=4, help="B: scene encodings per step")
    parser.add_argument("--queries", type=int, default=64, help="Q: grasps per encoding")
    parser.add_argument("--occupancy-points", type=int, default=512, help="P, for both variants")
    parser.add_argument("--threads", type=int, help="torch threads (default: as torch chooses)")
    parser.add_argument("--seconds", type=float, help="time to measure (default 120, quick 12)")
    arguments = parser.parse_args()

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    torch.manual_seed(0)
    model = equigrasp.build_model(arguments.model)
    step = TrainingStep(model, GraspLoss())
    size = (arguments.occupancy_points, model.resolution)
    many = synthetic_batch(arguments.scenes, arguments.queries, *size)
    one = synthetic_batch(arguments.scenes, 1, *size)
    seconds = arguments.seconds or (12.0 if arguments.quick else 120.0)
    variants = {"many": step_function(step, many), "one": step_function(step, one)}
    median = measure(variants, seconds)

    (wall_many, cpu_many), (wall_one, cpu_one) = median["many"], median["one"]
    labels = arguments.scenes * arguments.queries
    numbers: dict[str, float] = {
        "speedup": arguments.queries * wall_one / wall_many,
        "speedup_cpu_time": arguments.queries * cpu_one / cpu_many,
        "labels_per_second": labels / wall_many,
        "labels_per_second_one_per_encoding": arguments.scenes / wall_one,
        "step_seconds": wall_many,
        "step_seconds_one_per_encoding": wall_one,
        "cpu_seconds_per_scene": cpu_many / arguments.scenes,
        "scenes_per_step": arguments.scenes,
        "queries_per_scene": arguments.queries,
        "occupancy_points": arguments.occupancy_points,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count() or 0,
    }
    machine = {"cpu": processor(), "torch": torch.__version__, "model": arguments.model}
    width = max(map(len, numbers))
    for name, value in numbers.items():
        print(f"{name:{width}}  {value:.4g}")
    print(f"{machine['cpu']}, {numbers['cores']} cores, torch {machine['torch']}")
    if arguments.json:
        write_json(arguments.json, numbers)
    if arguments.record:
        write_json(RESULT, {"machine": machine, "numbers": numbers})


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file, its folder included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
