"""Memory over thousands of plans and hundreds of rounds, and threads that share a planner."""

from __future__ import annotations

import concurrent.futures
import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from equigrasp import GraspPlanner, build_model
from equigrasp.data.synthetic import random_primitives, render_primitives
from equigrasp.detection import DetectionConfig
from equigrasp.hand import PANDA
from equigrasp.perception.camera import Intrinsics, random_view
from equigrasp.perception.noise import apply_noise

CAMERA = Intrinsics(160, 120, 135.0, 135.0, 80.0, 60.0)
WARM = 0.2
"""Share of the repetitions after which memory counts: caches are full by then."""


def resident_mb() -> float:
    """Memory that this process holds, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def growth(repeat: Callable[[int], Any], times: int) -> dict[str, float]:
    """Memory over repetitions: MB when warm, at the end, and per thousand in between.

    Args:
        repeat: called with 0 ... `times` - 1.
        times: how often.
    """
    warm, begin = max(int(WARM * times), 1), 0.0
    for index in range(times):
        if index == warm:
            gc.collect()
            begin = resident_mb()
        repeat(index)
    gc.collect()
    end = resident_mb()
    return {
        "mb_warm": begin,
        "mb_end": end,
        "mb_per_thousand": 1000 * (end - begin) / max(times - warm, 1),
    }


def small_planner(seed: int = 0) -> GraspPlanner:
    """An untrained EquiGIGA of the least size, which lists whatever it likes best."""
    torch.manual_seed(seed)
    size = {"resolution": 16, "fields": 2, "depth": 2, "head_fields": 4, "head_blocks": 1}
    model = build_model("equigiga", **size).eval()
    return GraspPlanner(model, DetectionConfig(quality_threshold=0.0, quality_floor=0.0))


def images(count: int, seed: int = 0) -> Iterator[tuple[Any, ...]]:
    """Noisy depth images of made-up scenes: arguments of `GraspPlanner.plan`."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        pose = random_view(rng)
        shapes = random_primitives(rng, int(rng.integers(1, 5)))
        yield apply_noise(render_primitives(shapes, CAMERA, pose), "gamma", rng), CAMERA, pose


def plans(times: int) -> dict[str, float]:
    """Memory over so many plans, of sixteen images in turn."""
    planner, given = small_planner(), list(images(16))
    return growth(lambda index: planner.plan(*given[index % len(given)]), times)


def rounds(times: int) -> dict[str, float]:
    """Memory over so many rounds of an evaluation, played in this process.

    It imports the simulator: call it in a process of its own.
    """
    from sim.clutter.protocol import EvalSettings
    from sim.clutter.rounds import run_round
    from sim.clutter.scene_lists import build_scene_list

    settings = EvalSettings(scene="pile", model="antipodal", num_objects=1, hand=PANDA.to_dict())
    scene = build_scene_list(settings, [(0, 0)], 1)[0, 0].to_json()
    common = {"settings": settings.to_dict(), "scene": scene, "seed": 0, "hand": PANDA.to_dict()}
    return growth(lambda index: run_round(index=index, **common), times)


def shared_planner(planner: GraspPlanner, count: int, threads: int = 4) -> int:
    """Number of plans that threads sharing a planner make otherwise than one alone does.

    Args:
        planner: shared.
        count: of images.
        threads: at work at once.
    """
    given = list(images(count, seed=1))
    alone = [_told(planner, view) for view in given]
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        together = list(pool.map(lambda view: _told(planner, view), given))
    return sum(a != b for a, b in zip(alone, together, strict=True))


def _told(planner: GraspPlanner, view: tuple[Any, ...]) -> tuple[Any, ...]:
    result = planner.plan(*view)
    grasps = [(*g.position, *np.ravel(g.rotation), g.width, g.score) for g in result.grasps]
    return result.reason, [tuple(map(float, values)) for values in grasps]
