"""Floor: an antipodal sampler on the point cloud of one depth image, without any learning.

Hands are placed on observed points, along the inward normal, straight down and in between, at
several yaws and depths. A hand that would touch an observed point or the table is dropped; the rest
are ranked by how well the points between the fingers oppose the closing direction.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from equigrasp.geometry.transforms import frame_from_approach, yaw_turns
from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA, Hand
from equigrasp.perception.camera import Intrinsics, pixel_rays, valid_pixels
from equigrasp.perception.rectify import table_rectify
from equigrasp.plan_result import PlanResult
from equigrasp.workspace import WORKSPACE, Workspace
from sim.clutter.planner import ClutterPlanner
from sim.clutter.protocol import EvalSettings
from sim.clutter.scene_view import SceneView

Array = NDArray[np.float64]

STRIDE = 3
"""Every third pixel in both directions makes the cloud."""
TABLE_MARGIN = 0.006
MAX_POINTS, SEEDS = 2500, 60
YAWS = 6
TIP_FIFTHS = np.array([1.0, 2.5, 4.0])
"""Finger tips beyond the seed point, in fifths of the finger depth."""
CLEARANCE = 0.002
FRICTION_COSINE = np.cos(np.pi / 4)
MIN_BETWEEN = 6
MAX_GRASPS = 20


class AntipodalPlanner(ClutterPlanner):
    """The sampler.

    Args:
        hand: the hand that will close.
        rectify: undo the depth's global factor with the visible table first.
        workspace: where to look, and how high its table is.
    """

    name = "antipodal"

    def __init__(
        self, hand: Hand = PANDA, rectify: bool = True, workspace: Workspace = WORKSPACE
    ) -> None:
        self.hand, self.rectify, self.workspace = hand, rectify, workspace

    @classmethod
    def from_settings(cls, settings: EvalSettings, hand: Hand) -> AntipodalPlanner:
        """For the hand of the evaluation."""
        return cls(hand, settings.table_rectify)

    def plan(self, seen: SceneView) -> PlanResult:
        """Ranked grasps from the noisy depth alone."""
        begin = time.perf_counter()
        depth, tables = seen.depth, ()
        if self.rectify:
            depth, fit = table_rectify(depth, seen.intrinsics, seen.T_world_camera, self.workspace)
            tables = (fit,)
        if any(fit.setup for fit in tables):
            grasps, reason = [], "check_setup"
        else:
            grasps = self._grasps(depth, seen)
            reason = "ok" if grasps else "no_grasp"
        seconds, volume = {"total": time.perf_counter() - begin}, np.zeros((0, 0, 0), np.float32)
        return PlanResult(
            grasps, reason, seconds, volume, tables, hand=self.hand, workspace=self.workspace
        )

    def _grasps(self, depth: NDArray[np.floating], seen: SceneView) -> list[Grasp]:
        points, normals = object_cloud(depth, seen.intrinsics, seen.T_world_camera, self.workspace)
        if len(points) < MIN_BETWEEN:
            return []
        return sample_grasps(points, normals, seen.rng, self.hand, self.workspace)


def object_cloud(
    depth: NDArray[np.floating],
    intrinsics: Intrinsics,
    T_world_camera: NDArray,
    workspace: Workspace = WORKSPACE,
) -> tuple[Array, Array]:
    """Points (n, 3) above the table inside the workspace, and normals towards the camera."""
    rays = pixel_rays(intrinsics)[::STRIDE, ::STRIDE].astype(np.float64)
    depth = np.asarray(depth, np.float64)[::STRIDE, ::STRIDE]
    T = np.asarray(T_world_camera, float)
    grid = (rays * depth[..., None]) @ T[:3, :3].T + T[:3, 3]
    across = np.gradient(grid, axis=1)
    down = np.gradient(grid, axis=0)
    normals = np.cross(down, across)
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    normals = normals / np.maximum(length, 1e-12)
    facing = ((T[:3, 3] - grid) * normals).sum(-1, keepdims=True)
    normals = np.where(facing < 0, -normals, normals)
    inside = ((grid > 0) & (grid < workspace.side)).all(-1)
    above = grid[..., 2] > workspace.table_height + TABLE_MARGIN
    keep = valid_pixels(depth) & inside & above
    return grid[keep], normals[keep]


def sample_grasps(
    points: Array,
    normals: Array,
    rng: np.random.Generator,
    hand: Hand = PANDA,
    workspace: Workspace = WORKSPACE,
) -> list[Grasp]:
    """Grasps of a hand on a cloud (n, 3) with normals (n, 3), best first."""
    if len(points) > MAX_POINTS:
        chosen = rng.choice(len(points), MAX_POINTS, replace=False)
        points, normals = points[chosen], normals[chosen]
    seeds = rng.choice(len(points), min(SEEDS, len(points)), replace=False)
    found: list[tuple[float, Grasp]] = []
    for seed in seeds:
        near = np.linalg.norm(points - points[seed], axis=1) < 2 * hand.opening
        frames, tips = _hands_at(points[seed], normals[seed], hand)
        above = _above_table(frames, tips, hand, workspace.table_height)
        found += _ranked(frames, tips, above, points[near], normals[near], hand)
    found.sort(key=lambda entry: -entry[0])
    return [grasp for _, grasp in found[:MAX_GRASPS]]


def _hands_at(point: Array, normal: Array, hand: Hand) -> tuple[Array, Array]:
    """Rotations (h, 3, 3) and tip positions (h, 3) of the hands tried at one point."""
    down = np.array([0.0, 0.0, -1.0])
    between = down - normal
    approaches = np.stack([down, -normal, between / max(np.linalg.norm(between), 1e-9)])
    # A face that looks down has no approach halfway, and one from below is none.
    length = np.linalg.norm(approaches, axis=1, keepdims=True)
    approaches = (approaches / np.maximum(length, 0.5))[
        (approaches[:, 2] < 0.1) & (length[:, 0] > 0.5)
    ]
    frames = (frame_from_approach(approaches)[:, None] @ yaw_turns(YAWS)).reshape(-1, 3, 3)
    depths = hand.finger_depth * TIP_FIFTHS / 5
    tips = point + depths[None, :, None] * frames[:, None, :, 2]
    return np.repeat(frames, len(depths), 0), tips.reshape(-1, 3)


def _ranked(
    frames: Array,
    tips: Array,
    above: NDArray[np.bool_],
    points: Array,
    normals: Array,
    hand: Hand,
) -> list[tuple[float, Grasp]]:
    """(score, grasp) of the hands (h) above the table that touch nothing and close on points."""
    local = np.einsum("hij,hni->hnj", frames, points[None] - tips[:, None])
    between, blocked = _occupied(local, hand)
    opposed = np.abs(np.einsum("hi,ni->hn", frames[..., 1], normals)) > FRICTION_COSINE
    y = local[..., 1]
    count = between.sum(1)
    grip = (between & opposed).sum(1) / np.maximum(count, 1)
    low = np.where(between, y, np.inf).min(1)
    high = np.where(between, y, -np.inf).max(1)
    found = []
    for i in np.flatnonzero(~blocked & above & (count >= MIN_BETWEEN)):
        # Centre the hand on what it closes on; a thin slice of a wide object is no grasp.
        off = abs(high[i] + low[i]) / hand.opening
        score = float(grip[i] - 0.5 * off + 0.2 * -frames[i, 2, 2])
        width = float(np.clip(high[i] - low[i], 0.005, hand.opening))
        found.append((score, Grasp(tips[i], frames[i], width, float(np.clip(score, 0.0, 1.0)))))
    return found


def _occupied(local: Array, hand: Hand) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which points (h, n, 3) in the hand's frame lie between the fingers, which hands (h) touch."""
    x, y, z = local[..., 0], np.abs(local[..., 1]), local[..., 2]
    fingers, palm = hand.finger_box, hand.palm_box
    in_slab = (np.abs(x) < _finger_half(hand)) & (z < fingers.upper[2]) & (z > fingers.lower[2])
    between = in_slab & (y < hand.opening / 2)
    hits = in_slab & (y > hand.opening / 2 - CLEARANCE) & (y < _reach(hand))
    inside = [(local[..., i] > palm.lower[i]) & (local[..., i] < palm.upper[i]) for i in range(3)]
    return between, (hits | np.logical_and.reduce(inside)).any(1)


def _above_table(frames: Array, tips: Array, hand: Hand, table_height: float) -> NDArray[np.bool_]:
    reach = np.abs(frames[:, 2, 1]) * _reach(hand) + np.abs(frames[:, 2, 0]) * _finger_half(hand)
    return tips[:, 2] - reach > table_height + CLEARANCE


def _finger_half(hand: Hand) -> float:
    """Half the breadth of a finger along x, of the thicker half if they differ; metres."""
    return max(-hand.finger_box.lower[0], hand.finger_box.upper[0])


def _reach(hand: Hand) -> float:
    """From the middle to the outside of an open finger, metres."""
    return hand.opening / 2 + hand.finger_box.upper[1]
