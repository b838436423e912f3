"""Planning time of the equivariant models against GIGA's, and where it goes, in one run.

    python benchmarks/planning.py [--quick] [--json results.json] [--record]

All models plan the same noisy depth images of made-up clutter with the same lattice and the same
number of peaks, so that only their arithmetic differs; weights do not matter and are fresh unless
given. Images take turns over the models, and medians are compared:

* equigiga_over_giga, equiigd_over_giga: whole plans, from the depth image to ranked grasps;
* speedup: EquiGIGA as trained (filters expanded at every call), asked for everything on the whole
  lattice as the published pipelines do, against the frozen model planning coarse to fine;
* milliseconds of every stage: rectification, fusion, encoder, queries, selection.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from shared.report import finish, options

import equigrasp
from equigrasp.data.synthetic import random_shapes, render_shapes
from equigrasp.detection import DetectionConfig, query_lattice
from equigrasp.nn.freeze import freeze
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
from equigrasp.perception.noise import apply_noise
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.plan_result import STAGES
from equigrasp.planner import GraspPlanner

MODELS = ("giga", "equigiga", "equiigd", "igd", "vgn")
PEAKS = 32
EQUAL_WORK = DetectionConfig(quality_threshold=0.0, quality_floor=0.0, max_peaks=PEAKS)
"""Every peak counts, so that fresh weights ask for as many rotations as trained ones."""


def main() -> None:
    """Measure, print, and write JSON if asked."""
    parser = options(__doc__, "planning")
    parser.add_argument("--images", type=int, help="images per model (default 60, quick 8)")
    parser.add_argument("--threads", type=int, help="torch threads (default: as torch chooses)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--resolution", type=int, default=40, help="voxels per side")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    count = arguments.images or (8 if arguments.quick else 60)
    images = noisy_images(count)
    planners = {
        name: GraspPlanner(fresh(name, arguments.resolution, arguments.device), EQUAL_WORK)
        for name in MODELS
        if not (name == "vgn" and arguments.resolution % 8)
    }
    plain = equigrasp.build_model("equigiga", resolution=arguments.resolution)
    plain = plain.eval().to(arguments.device)
    totals: dict[str, list[float]] = {name: [] for name in (*planners, "unoptimised")}
    stages: dict[str, list[dict[str, float]]] = {name: [] for name in planners}
    for index, depth in enumerate(images):
        for name, planner in planners.items():
            result, seconds = timed(
                lambda planner=planner, depth=depth: planner.plan(
                    depth, DEFAULT_INTRINSICS, fixed_view()
                )
            )
            if index:  # the first image warms up
                totals[name].append(seconds)
                stages[name].append(result.timings)
        _, seconds = timed(lambda depth=depth: published_plan(plain, depth))
        if index:
            totals["unoptimised"].append(seconds)
    median = {name: statistics.median(values) for name, values in totals.items()}
    numbers = {
        "equigiga_over_giga": median["equigiga"] / median["giga"],
        "equiigd_over_giga": median["equiigd"] / median["giga"],
        "speedup": median["unoptimised"] / median["equigiga"],
        **{f"{name}_ms": 1e3 * value for name, value in median.items()},
        **{
            f"{name}_{stage}_ms": 1e3 * statistics.median(t.get(stage, 0.0) for t in stages[name])
            for name in ("giga", "equigiga", "equiigd")
            for stage in STAGES
        },
        "images": count - 1,
        "peaks": PEAKS,
        "resolution": arguments.resolution,
    }
    finish(arguments, numbers, {"device": arguments.device})


def fresh(name: str, resolution: int, device: str) -> Any:
    """A frozen model with new weights."""
    torch.manual_seed(0)
    return freeze(equigrasp.build_model(name, resolution=resolution)).to(device)


def noisy_images(count: int) -> list[np.ndarray]:
    """Depth images of different clutter, gamma noise, fixed view."""
    rng = np.random.default_rng(0)
    scenes = (random_shapes(rng) for _ in range(count))
    return [
        apply_noise(render_shapes(shapes, DEFAULT_INTRINSICS, fixed_view()), "gamma", rng)
        for shapes in scenes
    ]


@torch.inference_mode()
def published_plan(model: Any, depth: np.ndarray) -> Any:
    """Fusion, encoder, and all three outputs on the whole lattice in one batch."""
    device = next(model.parameters()).device
    n = model.resolution
    tsdf = fuse_tsdf(
        torch.from_numpy(depth).to(device),
        DEFAULT_INTRINSICS,
        fixed_view(),
        resolution=n,
        encoding=model.encoding,
    )
    points = query_lattice(n, device=device).view(1, -1, 3)
    return model.query(model.encode(tsdf[None]), points, chunk=points.shape[1])


def timed(run: Callable[[], Any]) -> tuple[Any, float]:
    """Result and wall seconds of a call."""
    start = time.perf_counter()
    result = run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return result, time.perf_counter() - start


if __name__ == "__main__":
    main()
