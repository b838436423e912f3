"""Floor: an antipodal sampler on the point cloud of one depth image, without any learning.

Hands are placed on observed points, along the inward normal, straight down and in between, at
several yaws and depths. A hand that would touch an observed point or the table is dropped; the rest
are ranked by how well the points between the fingers oppose the closing direction.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from equigrasp.constants import MAX_WIDTH, TABLE_HEIGHT, WORKSPACE_SIZE
from equigrasp.geometry.transforms import frame_from_approach, yaw_turns
from equigrasp.grasp import Grasp
from equigrasp.perception.camera import Intrinsics, pixel_rays, valid_pixels
from equigrasp.perception.table import table_rectify
from equigrasp.planner import PlanResult
from sim.clutter.scene_view import SceneView

Array = NDArray[np.float64]

STRIDE = 3
"""Every third pixel in both directions makes the cloud."""
TABLE_MARGIN = 0.006
MAX_POINTS, SEEDS = 2500, 60
YAWS = 6
TIP_DEPTHS = (0.01, 0.025, 0.04)
"""Finger tips beyond the seed point, metres."""
FINGER_HALF_X, FINGER_THICKNESS = 0.0115, 0.026
PALM_HALF = (0.032, 0.102)
PALM_Z = -0.046
CLEARANCE = 0.002
FRICTION_COSINE = np.cos(np.pi / 4)
MIN_BETWEEN = 6
MAX_GRASPS = 20


class AntipodalPlanner:
    """The sampler.

    Args:
        rectify: undo the depth's global factor with the visible table first.
    """

    def __init__(self, rectify: bool = True) -> None:
        self.rectify = rectify

    def plan(self, seen: SceneView) -> PlanResult:
        """Ranked grasps from the noisy depth alone."""
        begin = time.perf_counter()
        depth = seen.depth
        if self.rectify:
            depth, _ = table_rectify(depth, seen.intrinsics, seen.T_world_camera)
        points, normals = object_cloud(depth, seen.intrinsics, seen.T_world_camera)
        grasps = sample_grasps(points, normals, seen.rng) if len(points) >= MIN_BETWEEN else []
        seconds = {"total": time.perf_counter() - begin}
        empty = np.zeros((0, 0, 0), np.float32)
        return PlanResult(grasps, "ok" if grasps else "no_grasp", seconds, empty)


def object_cloud(
    depth: NDArray[np.floating], intrinsics: Intrinsics, T_world_camera: NDArray
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
    inside = ((grid > 0) & (grid < WORKSPACE_SIZE)).all(-1)
    keep = valid_pixels(depth) & inside & (grid[..., 2] > TABLE_HEIGHT + TABLE_MARGIN)
    return grid[keep], normals[keep]


def sample_grasps(points: Array, normals: Array, rng: np.random.Generator) -> list[Grasp]:
    """Grasps on a cloud, best first."""
    if len(points) > MAX_POINTS:
        chosen = rng.choice(len(points), MAX_POINTS, replace=False)
        points, normals = points[chosen], normals[chosen]
    seeds = rng.choice(len(points), min(SEEDS, len(points)), replace=False)
    found: list[tuple[float, Grasp]] = []
    for seed in seeds:
        near = np.linalg.norm(points - points[seed], axis=1) < 0.16
        frames, tips = _hands_at(points[seed], normals[seed])
        found += _ranked(frames, tips, points[near], normals[near])
    found.sort(key=lambda entry: -entry[0])
    return [grasp for _, grasp in found[:MAX_GRASPS]]


def _hands_at(point: Array, normal: Array) -> tuple[Array, Array]:
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
    depths = np.asarray(TIP_DEPTHS)
    tips = point + depths[None, :, None] * frames[:, None, :, 2]
    return np.repeat(frames, len(depths), 0), tips.reshape(-1, 3)


def _ranked(frames: Array, tips: Array, points: Array, normals: Array) -> list[tuple[float, Grasp]]:
    local = np.einsum("hij,hni->hnj", frames, points[None] - tips[:, None])
    x, y, z = np.abs(local[..., 0]), local[..., 1], local[..., 2]
    in_slab = (x < FINGER_HALF_X) & (z < 0) & (z > PALM_Z)
    between = in_slab & (np.abs(y) < MAX_WIDTH / 2)
    opposed = np.abs(np.einsum("hi,ni->hn", frames[..., 1], normals)) > FRICTION_COSINE
    reach = MAX_WIDTH / 2 + FINGER_THICKNESS
    hits = in_slab & (np.abs(y) > MAX_WIDTH / 2 - CLEARANCE) & (np.abs(y) < reach)
    palm = (x < PALM_HALF[0]) & (np.abs(y) < PALM_HALF[1]) & (z < PALM_Z) & (z > -0.14)
    free = ~(hits | palm).any(1) & _above_table(frames, tips)
    count = between.sum(1)
    grip = (between & opposed).sum(1) / np.maximum(count, 1)
    low = np.where(between, y, np.inf).min(1)
    high = np.where(between, y, -np.inf).max(1)
    found = []
    for i in np.flatnonzero(free & (count >= MIN_BETWEEN)):
        # Centre the hand on what it closes on; a thin slice of a wide object is no grasp.
        off = abs(high[i] + low[i]) / MAX_WIDTH
        score = float(grip[i] - 0.5 * off + 0.2 * -frames[i, 2, 2])
        width = float(np.clip(high[i] - low[i], 0.005, MAX_WIDTH))
        found.append((score, Grasp(tips[i], frames[i], width, float(np.clip(score, 0.0, 1.0)))))
    return found


def _above_table(frames: Array, tips: Array) -> NDArray[np.bool_]:
    reach = MAX_WIDTH / 2 + FINGER_THICKNESS
    sides = np.abs(frames[:, 2, 1]) * reach + np.abs(frames[:, 2, 0]) * FINGER_HALF_X
    return tips[:, 2] - sides > TABLE_HEIGHT + CLEARANCE
