"""Planning time of the equivariant models against GIGA's, and where it goes, in one run.

    python benchmarks/planning.py [--quick] [--json results.json] [--record]

All models plan the same noisy depth images of made-up clutter with the thresholds users get, each
with weights trained on packed scenes (how many points are asked depends on what a model finds).
Models take turns over the images, each time in another order, and medians are compared:

* equigiga_over_giga, equiigd_over_giga: whole plans, from the depth image to ranked grasps;
* speedup: EquiGIGA as trained (filters expanded at every call), asked for everything on the whole
  lattice as the published pipelines do, against the frozen model planning coarse to fine;
* milliseconds of every stage: rectification, fusion, encoder, queries, selection.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from shared.results import command_line, finish

from equigrasp.data.synthetic import random_primitives, render_primitives
from equigrasp.peaks import query_lattice
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
from equigrasp.perception.noise import apply_noise
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.plan_result import STAGES
from equigrasp.planner import GraspPlanner
from equigrasp.weights import load_model

WEIGHTS = {name: f"{name}_packed" for name in ("giga", "equigiga", "equiigd")}

WARM_UP = 3
"""Images that are planned and not counted."""


def main() -> None:
    """Measure, print, and write JSON if asked."""
    parser = command_line(__doc__, "planning")
    parser.add_argument("--images", type=int, help="images per model (default 60, quick 8)")
    parser.add_argument("--threads", type=int, help="torch threads (default: as torch chooses)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--weights",
        nargs="*",
        default=[],
        metavar="NAME=PATH",
        help=f"saved models to use for, or beside, {', '.join(WEIGHTS.values())}",
    )
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    count = arguments.images or (8 if arguments.quick else 60)
    images = noisy_images(count)
    weights = {**WEIGHTS, **dict(entry.split("=", 1) for entry in arguments.weights)}
    planners = {
        name: GraspPlanner.from_pretrained(path, device=arguments.device)
        for name, path in weights.items()
    }
    plain = trainable(weights["equigiga"], arguments.device)
    totals: dict[str, list[float]] = {name: [] for name in (*planners, "unoptimised")}
    stages: dict[str, list[dict[str, float]]] = {name: [] for name in planners}
    for index, depth in enumerate(images):
        for name in shifted(list(planners), index):
            result, seconds = timed(
                lambda planner=planners[name], depth=depth: planner.plan(
                    depth, DEFAULT_INTRINSICS, fixed_view()
                )
            )
            if index >= WARM_UP:
                totals[name].append(seconds)
                stages[name].append(result.timings)
    # By itself: it leaves no memory or cache to the others.
    for index, depth in enumerate(images if plain else []):
        _, seconds = timed(lambda depth=depth: published_plan(plain, depth))
        if index >= WARM_UP:
            totals["unoptimised"].append(seconds)
    median = {name: statistics.median(values) for name, values in totals.items() if values}
    numbers = {
        "equigiga_over_giga": median["equigiga"] / median["giga"],
        "equiigd_over_giga": median["equiigd"] / median["giga"],
        **({"speedup": median["unoptimised"] / median["equigiga"]} if plain else {}),
        **{f"{name}_ms": 1e3 * value for name, value in median.items()},
        **{
            f"{name}_{stage}_ms": 1e3 * statistics.median(t.get(stage, 0.0) for t in stages[name])
            for name in WEIGHTS
            for stage in STAGES
        },
        "images": count - WARM_UP,
    }
    finish(arguments, numbers, {"device": arguments.device})


def plan_milliseconds(
    planners: Mapping[str, GraspPlanner], images: Sequence[np.ndarray]
) -> dict[str, float]:
    """Median milliseconds of a plan by planner, the planners taking turns over the images."""
    for planner in planners.values():
        planner.warmup()
    spent: dict[str, list[float]] = {name: [] for name in planners}
    for index, depth in enumerate(images):
        for name in shifted(list(planners), index):
            plan = planners[name].plan
            _, seconds = timed(lambda p=plan, d=depth: p(d, DEFAULT_INTRINSICS, fixed_view()))
            spent[name].append(1e3 * seconds)
    return {name: statistics.median(values) for name, values in spent.items()}


def shifted(names: list[str], by: int) -> list[str]:
    """Names in another order each time: nobody always follows the same neighbour, whose traces it
    finds."""
    return names[by % len(names) :] + names[: by % len(names)]


def noisy_images(count: int) -> list[np.ndarray]:
    """Depth images of different clutter, gamma noise, fixed view."""
    rng = np.random.default_rng(0)
    scenes = (random_primitives(rng) for _ in range(count))
    return [
        apply_noise(render_primitives(shapes, DEFAULT_INTRINSICS, fixed_view()), "gamma", rng)
        for shapes in scenes
    ]


def trainable(weights: str, device: str) -> torch.nn.Module | None:
    """A model as it was trained; None, and a line that says so, where escnn is missing."""
    try:
        return load_model(weights, device=device, frozen=False).eval()
    except RuntimeError as error:
        print(f"without the model as trained: {error}")
        return None


@torch.inference_mode()
def published_plan(model: Any, depth: np.ndarray) -> Any:
    """Fusion, encoder, and all three outputs on the whole lattice in one batch."""
    device = next(model.parameters()).device
    tsdf = fuse_tsdf(
        torch.from_numpy(depth).to(device),
        DEFAULT_INTRINSICS,
        fixed_view(),
        workspace=model.workspace,
        encoding=model.encoding,
    )
    points = query_lattice(model.resolution, device=device).view(1, -1, 3)
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
