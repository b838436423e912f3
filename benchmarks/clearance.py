"""What it costs to check hands against what was seen, beside Open3D's boxes, in one run.

    python benchmarks/clearance.py [--threads 1] [--quick] [--json results.json] [--record]

In depth images of made-up clutter (gamma noise, fixed view) EquiIGD proposes hands, and 64 of them
are checked as a plan checks them: palm and fingers, opened a little wider than predicted and swept
along the last 5 cm of their way, against the observed surface and against unseen space.

* surface_ms, surface_p95_ms: `collisions`, medians and 95th percentile over images;
* careful_ms, blocked_ms: `unseen_share` of the palm, and of palm and fingers;
* room_ms: `clearances`, how much room there is, which a plan tells of the grasps that it lists;
* open3d_ms, open3d_over_surface: points in the same boxes by Open3D, hand by hand;
* agreement: share of hands in which both count the same points.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import open3d as o3d
import torch
from planning import noisy_images
from shared.results import command_line, finish

from equigrasp.candidates import Candidates
from equigrasp.clearance import TOLERANCE, Observed, clearances, collisions, unseen_share
from equigrasp.detection import DetectionConfig
from equigrasp.hand import Box, Hand
from equigrasp.hand_boxes import openings, swept
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
from equigrasp.plan_result import PlanResult
from equigrasp.planner import GraspPlanner

HANDS = 64
TIMES = 15
"""Every check of an image is timed so often, and the median taken."""


def main() -> None:
    """Measure, print, and write JSON if asked."""
    parser = command_line(__doc__, "clearance")
    parser.add_argument("--images", type=int, help="default 40, quick 4")
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    low = {"quality_threshold": 0.0, "quality_floor": 0.0, "min_points_between": 0}
    planner = GraspPlanner.from_pretrained("equiigd_packed", detection=DetectionConfig(**low))
    count = arguments.images or (4 if arguments.quick else 40)
    rows = [measured(planner, depth) for depth in noisy_images(count)]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    numbers = {name: statistics.median(values) for name, values in columns.items()}
    numbers["surface_p95_ms"] = float(np.percentile(columns["surface_ms"], 95))
    numbers["open3d_over_surface"] = numbers["open3d_ms"] / numbers["surface_ms"]
    numbers["agreement"] = statistics.fmean(columns["agreement"])
    finish(arguments, numbers, {"hands": HANDS, "images": len(rows)})


@torch.inference_mode()
def measured(planner: GraspPlanner, depth: np.ndarray) -> dict[str, float]:
    """Milliseconds of every check in an image, and whether Open3D counts the same."""
    hand, workspace = planner.hand, planner.workspace
    plan = planner.plan(depth, DEFAULT_INTRINSICS, fixed_view())
    hands = proposed(plan)
    seen = Observed.of_views(
        torch.from_numpy(depth)[None],
        DEFAULT_INTRINSICS,
        fixed_view()[None],
        workspace,
        floor=None,
        unseen=True,
    )
    points = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(seen.points.double().numpy()))
    boxes = [boxes_of(hands, index, hand) for index in range(HANDS)]
    ours, theirs = collisions(hands, hand, seen.points, TOLERANCE), in_boxes(boxes, points)
    share = (hands, hand, seen.unseen, workspace)
    checks: dict[str, Callable[[], Any]] = {
        "surface_ms": lambda: collisions(hands, hand, seen.points, TOLERANCE),
        "careful_ms": lambda: unseen_share(*share, fingers=False),
        "blocked_ms": lambda: unseen_share(*share, fingers=True),
        "room_ms": lambda: clearances(hands, hand, seen.points),
        "open3d_ms": lambda: in_boxes(boxes, points),
    }
    return {
        "points": float(len(seen.points)),
        "agreement": float(np.mean(ours.numpy() == theirs)),
        **{name: milliseconds(check) for name, check in checks.items()},
    }


def proposed(plan: PlanResult) -> Candidates:
    """`HANDS` hands: those of a plan, each as often as it takes."""
    chosen = [plan.grasps[index % len(plan.grasps)] for index in range(HANDS)]
    poses = np.stack([grasp.T_world_grasp for grasp in chosen])
    return Candidates(
        torch.tensor(poses[:, :3, 3], dtype=torch.float32),
        torch.tensor(poses[:, :3, :3], dtype=torch.float32),
        torch.tensor([grasp.width for grasp in chosen]),
        torch.tensor([grasp.score for grasp in chosen]),
    )


def boxes_of(hands: Candidates, index: int, hand: Hand) -> list[o3d.geometry.OrientedBoundingBox]:
    """Palm and fingers of an open hand with its way, as Open3D knows boxes."""
    R, tip = hands.rotation[index].double().numpy(), hands.tips[index].double().numpy()
    half = 0.5 * float(openings(hands, hand)[index])
    (x0, y0, z0), (x1, y1, z1) = swept(hand.finger_box)
    left = Box((x0, y0 + half, z0), (x1, y1 + half, z1))
    right = Box((-x1, -y1 - half, z0), (-x0, -y0 - half, z1))
    found = []
    for low, high in (left, right, swept(hand.palm_box)):
        middle = R @ (0.5 * np.add(low, high)) + tip
        found.append(o3d.geometry.OrientedBoundingBox(middle, R, np.subtract(high, low)))
    return found


def in_boxes(
    boxes: list[list[o3d.geometry.OrientedBoundingBox]], cloud: o3d.geometry.PointCloud
) -> np.ndarray:
    """How many points of a cloud are in any of the boxes of every hand."""
    points = cloud.points
    return np.array(
        [
            len(set().union(*(b.get_point_indices_within_bounding_box(points) for b in hand)))
            for hand in boxes
        ]
    )


def milliseconds(check: Callable[[], Any]) -> float:
    """Median of `TIMES` calls."""
    seconds = []
    for _ in range(TIMES):
        start = time.perf_counter()
        check()
        seconds.append(time.perf_counter() - start)
    return 1e3 * statistics.median(seconds)


if __name__ == "__main__":
    main()
