"""Made-up scenes with exact depth, for tests, self-checks and learning sanity checks.

Spheres and upright boxes stand on the table; depth is the analytic ray intersection, occupancy is
exact, and grasps are labelled by geometry (does the hand's finger region straddle the object
without touching the table?) instead of physics. They are far too easy to train a planner on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equigrasp.data.scene_files import SceneRecord, write_scene
from equigrasp.data.vocabulary import YAWS_PER_POINT
from equigrasp.geometry.transforms import frame_from_approach, yaw_turns
from equigrasp.hand import PANDA, Hand
from equigrasp.perception.camera import FAR, Intrinsics, fixed_view, random_view
from equigrasp.workspace import WORKSPACE, Workspace

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Primitive:
    """A sphere (`box` False, half = radius three times) or an upright box with a yaw.

    centre (3,) and half extents (3,) in metres.
    """

    centre: Array
    half: Array
    yaw: float = 0.0
    box: bool = True

    @property
    def rotation(self) -> Array:
        """(3, 3) rotation object -> workspace."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Whether points (..., 3) lie inside."""
        local = (points - self.centre) @ self.rotation
        if self.box:
            return (np.abs(local) <= self.half).all(-1)
        return (local**2).sum(-1) <= self.half[0] ** 2

    def distance_along(self, origin: Array, rays: Array) -> Array:
        """Smallest t >= 0 with `origin + t * ray` on the surface, inf for a miss; rays (..., 3)."""
        start, rays = (origin - self.centre) @ self.rotation, rays @ self.rotation
        if self.box:
            with np.errstate(divide="ignore"):
                low, high = (-self.half - start) / rays, (self.half - start) / rays
            enter = np.minimum(low, high).max(-1)
            leave = np.maximum(low, high).min(-1)
            return np.where((enter <= leave) & (enter > 0), enter, np.inf)
        a, b = (rays**2).sum(-1), rays @ start
        root = b**2 - a * (start @ start - self.half[0] ** 2)
        t = (-b - np.sqrt(np.maximum(root, 0))) / a
        return np.where((root >= 0) & (t > 0), t, np.inf)


def random_primitives(
    rng: np.random.Generator, count: int = 3, workspace: Workspace = WORKSPACE
) -> list[Primitive]:
    """At most `count` primitives that stand apart from each other on the table."""
    primitives: list[Primitive] = []
    for _ in range(20 * count):
        if len(primitives) == count:
            break
        box = bool(rng.integers(2))
        half = rng.uniform(0.015, 0.032, 3) if box else np.full(3, rng.uniform(0.018, 0.034))
        place = workspace.side / 2 - 0.15 + rng.uniform(0.07, 0.23, 2)
        centre = np.append(place, workspace.table_height + half[2])
        apart = [np.linalg.norm((centre - s.centre)[:2]) > 0.09 for s in primitives]
        if all(apart):
            primitives.append(Primitive(centre, half, rng.uniform(0, np.pi) if box else 0.0, box))
    return primitives


def render_primitives(
    primitives: Sequence[Primitive],
    intrinsics: Intrinsics,
    T_world_camera: Array,
    table_height: float = WORKSPACE.table_height,
) -> NDArray[np.float32]:
    """Exact depth image (H, W) of primitives on an endless table; background reads `FAR`."""
    u, v = np.meshgrid(np.arange(intrinsics.width), np.arange(intrinsics.height))
    x = (u - intrinsics.cx) / intrinsics.fx
    y = (v - intrinsics.cy) / intrinsics.fy
    # Camera rays have z = 1, so the ray parameter is the depth.
    rays = np.stack([x, y, np.ones_like(x)], -1) @ T_world_camera[:3, :3].T
    origin = T_world_camera[:3, 3]
    with np.errstate(divide="ignore"):
        depth = (table_height - origin[2]) / rays[..., 2]
    depth = np.where(depth > 0, depth, np.inf)
    for primitive in primitives:
        depth = np.minimum(depth, primitive.distance_along(origin, rays))
    return np.minimum(depth, FAR).astype(np.float32)


def synthetic_scene(
    seed: int,
    *,
    index: int = 0,
    grasps: int = 80,
    views: int = 2,
    intrinsics: Intrinsics | None = None,
    occupancy_points: int = 2000,
    hand: Hand = PANDA,
    workspace: Workspace = WORKSPACE,
) -> SceneRecord:
    """A scene record with made-up labels.

    Args:
        seed: seed of everything in the scene.
        index: number stored in the record.
        grasps: G, grasp points proposed along surface normals.
        views: the fixed view first, random views after it.
        intrinsics: camera; by default 160x120 pixels with the default field of view.
        occupancy_points: P, half of them uniform in the cube, half near the objects.
        hand: that the labels are made for.
        workspace: that the scene lies in.
    """
    rng = np.random.default_rng([seed, index])
    intrinsics = intrinsics or Intrinsics(160, 120, 135.0, 135.0, 80.0, 60.0)
    primitives = random_primitives(rng, workspace=workspace)
    others = [random_view(rng, workspace) for _ in range(views - 1)]
    poses = np.stack([fixed_view(workspace), *others])
    position, rotation, success, width = _labelled_grasps(primitives, grasps, rng, hand, workspace)
    points = rng.uniform(0, workspace.side, (occupancy_points, 3))
    near = occupancy_points // 2
    owner = rng.integers(len(primitives), size=near)
    centres = np.stack([primitive.centre for primitive in primitives])
    points[:near] = centres[owner] + rng.uniform(-0.05, 0.05, (near, 3))
    points = points.astype(np.float16)
    filled = np.any([primitive.contains(points.astype(float)) for primitive in primitives], 0)
    eye = np.tile(np.eye(4), (len(primitives), 1, 1))
    eye[:, :3, 3] = centres
    return SceneRecord(
        kind="synthetic",
        seed=seed,
        index=index,
        depth=np.stack(
            [
                render_primitives(primitives, intrinsics, pose, workspace.table_height)
                for pose in poses
            ]
        ),
        intrinsics=intrinsics,
        T_world_camera=poses,
        view_names=["fixed"] + [f"random{i}" for i in range(views - 1)],
        grasp_position=position,
        grasp_rotation=rotation,
        yaw_success=success,
        yaw_width=width,
        yaw_margin=np.where(success, np.nan, 0.0).astype(np.float32),
        yaw_fate=np.zeros(success.shape, np.uint8),
        grasp_source=np.zeros(grasps, np.uint8),
        grasp_visible=np.ones(grasps, bool),
        yaw_audited=np.zeros(success.shape, bool),
        object_id=["box" if primitive.box else "sphere" for primitive in primitives],
        object_scale=np.ones(len(primitives)),
        object_mass=np.full(len(primitives), np.nan),
        object_friction=np.full(len(primitives), np.nan),
        T_world_object=eye,
        occ_points=points,
        occ=filled,
        labeller="geometry",
        settled=True,
    )


def write_synthetic_data_set(
    directory: Path, scenes: int, *, seed: int = 0, **options: Any
) -> None:
    """Write `directory/scenes/*.npz` with `scenes` scenes; options go to `synthetic_scene`."""
    (directory / "scenes").mkdir(parents=True, exist_ok=True)
    for index in range(scenes):
        record = synthetic_scene(seed, index=index, **options)
        write_scene(directory / "scenes" / f"{index:06d}.npz", record)


def _labelled_grasps(
    primitives: Sequence[Primitive],
    count: int,
    rng: np.random.Generator,
    hand: Hand,
    workspace: Workspace,
) -> tuple[Array, Array, NDArray[np.bool_], NDArray[np.float32]]:
    position, rotation = np.empty((count, 3)), np.empty((count, 3, 3))
    success = np.zeros((count, YAWS_PER_POINT), bool)
    width = np.zeros((count, YAWS_PER_POINT), np.float32)
    for i in range(count):
        primitive = primitives[rng.integers(len(primitives))]
        surface, normal = _surface_point(primitive, rng)
        rotation[i] = frame_from_approach(-normal)
        position[i] = surface - rng.uniform(-0.005, hand.finger_depth - 0.005) * normal
        for k, turned in enumerate(rotation[i] @ yaw_turns(YAWS_PER_POINT)):
            width[i, k] = _extent(primitive, turned[:, 1])
            success[i, k] = _holds(primitive, position[i], turned, width[i, k], hand, workspace)
    return position, rotation, success, width


def _surface_point(primitive: Primitive, rng: np.random.Generator) -> tuple[Array, Array]:
    """A point on the upper or side surface and its outward normal."""
    normal = rng.standard_normal(3)
    normal[2] = abs(normal[2])
    normal /= np.linalg.norm(normal)
    if not primitive.box:
        return primitive.centre + primitive.half * normal, normal
    local = rng.uniform(-primitive.half, primitive.half)
    axis = int(np.abs(normal).argmax())
    side = np.sign(normal[axis])
    local[axis] = side * primitive.half[axis]
    outward = np.zeros(3)
    outward[axis] = side
    return primitive.centre + primitive.rotation @ local, primitive.rotation @ outward


def _extent(primitive: Primitive, direction: Array) -> float:
    """Size of a primitive along a direction."""
    if not primitive.box:
        return float(2 * primitive.half[0])
    return float(2 * np.abs(primitive.rotation.T @ direction) @ primitive.half)


def _holds(
    primitive: Primitive,
    tip: Array,
    rotation: Array,
    width: float,
    hand: Hand = PANDA,
    workspace: Workspace = WORKSPACE,
) -> bool:
    """Fingers straddle the middle of the primitive, deep enough, square to it and off the table."""
    approach, closing = rotation[:, 2], rotation[:, 1]
    offset = primitive.centre - tip
    square = not primitive.box or np.abs(primitive.rotation.T @ closing).max() > np.cos(
        np.radians(20)
    )
    centred = np.linalg.norm(offset - (offset @ approach) * approach) < 0.01
    deep = abs(offset @ approach) < 0.02
    lowest = tip[2] - 0.5 * hand.opening * abs(closing[2])
    fits = width < hand.opening - 0.005
    return bool(square and centred and deep and fits and lowest > workspace.table_height + 0.005)
