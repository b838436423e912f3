"""What a planner is given: thresholds, arguments, volumes, grasps."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from broken_inputs.case import Case
from broken_inputs.kinds.weights import OPTIONS
from equigrasp.detection import DetectionConfig
from equigrasp.grasp import Grasp
from equigrasp.perception.camera import Intrinsics, fixed_view
from equigrasp.planner import GraspPlanner
from equigrasp.registry import build_model

NAN, INF = float("nan"), float("inf")
CAMERA = Intrinsics(64, 48, 54.0, 54.0, 32.0, 24.0)


@cache
def model() -> Any:
    """A small model that was never trained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_model("giga", **OPTIONS["giga"]).eval()


def depth() -> np.ndarray:
    """An image of a wall, half a metre away."""
    return np.full((48, 64), 0.5, np.float32)


def config(**entries: Any) -> Callable[[Path], Any]:
    return lambda folder: DetectionConfig(**entries)


def planner(detection: dict[str, Any] | None = None, **options: Any) -> Callable[[Path], Any]:
    return lambda folder: GraspPlanner(model(), DetectionConfig(**(detection or {})), **options)


def plan(**changes: Any) -> Callable[[Path], Any]:
    """Plan from the wall with other arguments."""

    def run(folder: Path) -> Any:
        given = {"depth": depth(), "intrinsics": CAMERA, "T_world_camera": fixed_view()} | changes
        return GraspPlanner(model(), table_height=None).plan(**given)

    return run


def volume(tsdf: Any, **options: Any) -> Callable[[Path], Any]:
    return lambda folder: GraspPlanner(model()).plan_tsdf(tsdf, **options)


def grasp(**changes: Any) -> Callable[[Path], Any]:
    given = {"position": (0, 0, 0), "rotation": np.eye(3), "width": 0.05} | changes
    return lambda folder: Grasp(**given)


def predicting_nan(folder: Path) -> Any:
    """A model whose quality is no number, in a scene with surface."""
    broken = build_model("giga", **OPTIONS["giga"]).eval()
    with torch.no_grad():
        for tensor in broken.parameters():
            tensor.fill_(NAN)
    grid = torch.zeros(16, 16, 16)
    grid[4:12, 4:12, 4:8] = 0.5
    return GraspPlanner(broken, table_height=None).plan_tsdf(grid)


REAL, WHOLE = "give a finite number", "give a whole number"
THRESHOLDS = [
    *((name, NAN, f"{name} is nan; {REAL}") for name in ("z_min", "tip_clearance", "table_margin")),
    *(
        (name, NAN, f"{name} is nan; {REAL}")
        for name in ("border", "advance", "reach", "smoothing")
    ),
    *((name, NAN, f"{name} is nan; {REAL}") for name in ("width_min", "width_max", "clearance")),
    *((name, NAN, f"{name} is nan; {REAL}") for name in ("quality_threshold", "avoid_angle")),
    *((name, INF, f"{name} is inf; {REAL}") for name in ("smoothing", "reach", "z_min", "border")),
    *((name, INF, f"{name} is inf; {REAL}") for name in ("advance", "max_retreat", "width_max")),
    *((name, "0.1", f"{name} is '0.1'; {REAL}") for name in ("advance", "reach", "quality_floor")),
    *((name, 2.0, f"{name} is 2.0; {WHOLE}") for name in ("max_peaks", "num_samples", "lattice")),
    *((name, "5", f"{name} is '5'; {WHOLE}") for name in ("nms_window", "max_grasps", "lattice")),
    *((name, 0, f"{name} is 0; {WHOLE} from 1") for name in ("max_peaks", "max_grasps")),
    ("nms_window", 5.0, f"nms_window is 5.0; {WHOLE}"),
    ("nms_window", 4, "nms_window is 4; it must be odd"),
    ("nms_window", -1, f"nms_window is -1; {WHOLE}"),
    ("lattice", 41, "lattice is 41; it must be even"),
    ("lattice", 10**6, f"lattice is 1000000; {WHOLE} from 2 to 256"),
    ("advance", 1.0, "advance is 1.0; .* from 0 to 0.2"),
    ("advance", -0.01, "advance is -0.01; .* from 0 to 0.2"),
    ("tip_clearance", 3.0, "tip_clearance is 3.0; "),
    ("smoothing", -1.0, "smoothing is -1.0; "),
    ("smoothing", 1e6, "smoothing is 1000000.0; .* from 0 to 20"),
    ("quality_threshold", 1.5, "quality_threshold is 1.5; .* from 0 to 1"),
    ("quality_floor", 0.9, "need 0 <= floor <= threshold"),
    ("quality_threshold", None, f"quality_threshold is None; {REAL}"),
    ("width_min", 0.3, "widths|width_min"),
    ("force", "yes", "force is 'yes'; give true or false"),
    ("force", 1, "force is 1; give true or false"),
    ("unseen", "maybe", "free, careful, blocked"),
    ("unseen", 3, "unseen is 3; give a word"),
    ("max_peaks", True, f"max_peaks is True; {WHOLE}"),
    ("refine_steps", 1.5, f"refine_steps is 1.5; {WHOLE}"),
    ("min_points_between", "3", f"min_points_between is '3'; {WHOLE}"),
    ("reach", [0.05], rf"reach is \[0.05\]; {REAL}"),
]

CASES = [
    *(Case(f"{name}={value!r}", planner({name: value}), says) for name, value, says in THRESHOLDS),
    Case("widths", config(width_min=0.05, width_max=0.05), "admit no grasp"),
    Case("width_max of another hand", planner({"width_max": 0.1}), "'panda' opens to 0.08 m"),
    Case("border leaves nothing", planner({"border": 0.15}), "leave no query point"),
    Case("border larger than all", planner({"border": 2.0}), "leave no query point"),
    Case("z_min over the ceiling", planner({"z_min": 0.35}), "leave no query point"),
    Case("lattice leaves nothing", planner({"lattice": 2, "border": 0.1}), "leave no query point"),
    Case("table at the ceiling", planner(table_height=0.299), "leave no query point"),
    Case("table_height NaN", planner(table_height=NAN), f"table_height is nan; {REAL}"),
    Case("table_height word", planner(table_height="low"), f"table_height is 'low'; {REAL}"),
    Case("table_height over", planner(table_height=0.4), "below the ceiling"),
    Case("seed", planner(seed=1.5), f"seed is 1.5; {WHOLE}"),
    Case("seed negative", planner(seed=-1), f"seed is -1; {WHOLE}"),
    Case("scale_limit NaN", planner(scale_limit=NAN), f"scale_limit is nan; {REAL}"),
    Case("scale_limit 3", planner(scale_limit=3), "scale_limit is 3; "),
    Case("rectify_table", planner(rectify_table="no"), "rectify_table is 'no'; give true or false"),
    Case("max_grasps 0", plan(max_grasps=0), f"max_grasps is 0; {WHOLE} from 1"),
    Case("max_grasps 0, empty", plan(max_grasps=0, depth=0 * depth()), "max_grasps is 0"),
    Case("max_grasps 2.5", plan(max_grasps=2.5), "max_grasps is 2.5"),
    Case("avoid one grasp", plan(avoid=Grasp((0, 0, 0), np.eye(3), 0.05)), "give a list of grasps"),
    Case("avoid matrices", plan(avoid=[np.eye(4)]), "give a list of grasps"),
    Case("volume of NaN", volume(torch.full((16, 16, 16), NAN)), "NaN or infinity in 4096 voxels"),
    Case("volume of infinity", volume(np.full((16, 16, 16), INF)), "NaN or infinity"),
    Case("volume to 255", volume(torch.rand(16, 16, 16) * 255), "divide by the largest"),
    Case("volume of bytes", volume(np.zeros((16, 16, 16), np.uint8)), "dtype torch.uint8.*0..255"),
    Case("volume of flags", volume(torch.zeros(16, 16, 16, dtype=torch.bool)), "torch.bool"),
    Case(
        "signed distances", volume(2 * torch.rand(16, 16, 16) - 1), r"signed distances.*\(t \+ 1\)"
    ),
    Case("volume of another size", volume(torch.zeros(40, 40, 40)), r"needs \(16, 16, 16\)"),
    Case("volume with a batch", volume(torch.zeros(1, 16, 16, 16)), r"needs \(16, 16, 16\)"),
    Case("volume of words", volume("grid"), "not an array of numbers"),
    Case("volume None", volume(None), "not an array of numbers"),
    Case("volume, max_grasps", volume(torch.zeros(16, 16, 16), max_grasps=0), "max_grasps is 0"),
    Case("model of NaN", predicting_nan, "predicts qualities that are no numbers"),
    Case("width NaN", grasp(width=NAN), "width is nan; give the opening"),
    Case("width negative", grasp(width=-0.01), "width is -0.01; give the opening"),
    Case("width infinite", grasp(width=INF), "width is inf; "),
    Case("width None", grasp(width=None), "width is None; "),
    Case("score infinite", grasp(score=INF), "score is inf; "),
    Case("position NaN", grasp(position=(NAN, 0, 0)), "give 3 finite metres"),
    Case("rotation mirrored", grasp(rotation=np.diag([1, 1, -1.0])), "not orthonormal"),
]
