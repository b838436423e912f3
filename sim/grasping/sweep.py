"""Geometry tests that settle most trials without simulating them.

*Static sweep*: during the approach the hand moves in a straight line, so what it sweeps is a prism
along the approach. `ray_collision` casts rays along that prism, for all yaws of all grasps at once;
`ContactSweep` then asks the simulator for the clearances along the path of the few that remain.
Bullet reports a contact already at a small positive distance that depends on the pair of shapes;
`FreeHand.contact_distances` tells it, so that the sweep sees what the simulated trial would see.

*Finger region*: rays between the open finger pads; if nothing crosses them, the hand closes empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from sim.grasping.body import gripper_hulls
from sim.grasping.free_hand import DRIVE_GAIN, FreeHand
from sim.grasping.trial import APPROACH_DISTANCE, increments

if TYPE_CHECKING:
    import trimesh

    from equigrasp.hand import Hand
    from sim.scene.renderer import SceneGeometry
    from sim.scene.simulator import Simulator

COLLISION_MARGIN = 0.001
"""Bullet's margin around the convex hulls of a URDF."""
RAY_SPACING = 0.004
FINGER_GRID = (5, 9)
"""Rays between the finger pads: across the pad, along the finger."""


def drive_lag(count: int, steps: int, increment: float) -> np.ndarray:
    """(count,) distance in metres by which the driven hand trails after each increment.

    The drive leaves `DRIVE_GAIN` of its error per step, so the lag is a geometric series.
    """
    keep = DRIVE_GAIN**steps
    lag = np.zeros(count)
    for i in range(count):
        lag[i] = ((lag[i - 1] if i else 0.0) + increment) * keep
    return lag


@lru_cache(maxsize=1)
def path_offsets() -> np.ndarray:
    """(n,) places along the approach, relative to the grasp, where the trial looks for contacts.

    Simulators find the contacts of a step before they move the bodies: what is seen after an
    increment is where the hand was one step earlier.
    """
    count, steps = increments(APPROACH_DISTANCE)
    increment = APPROACH_DISTANCE / count
    seen = drive_lag(count, steps, increment) / DRIVE_GAIN
    return np.arange(1, count + 1) * increment - seen - APPROACH_DISTANCE


def arrival_offset() -> float:
    """Where the hand is at the end of the approach, along it and relative to the grasp."""
    count, steps = increments(APPROACH_DISTANCE)
    return -float(drive_lag(count, steps, APPROACH_DISTANCE / count)[-1])


@lru_cache(maxsize=8)
def _vertices(hand: Hand) -> tuple[np.ndarray, ...]:
    return tuple(np.concatenate([h.vertices for h in hulls]) for hulls in gripper_hulls(hand))


def table_clearance(
    poses: np.ndarray, hand: Hand, table_height: float, margin: float = COLLISION_MARGIN
) -> np.ndarray:
    """(..., 3) height over the table of palm, left and right finger during the approach.

    Args:
        poses: (..., 4, 4) grasp poses of the TCP. The hand is taken where the trial looks for
            contacts, a little short of the pose.
        hand: which approaches, all open.
        table_height: of the table's surface, metres, workspace frame.
        margin: by which the simulator's shapes are thicker, metres.
    """
    down = poses[..., 2, :3]
    lowest = np.stack([(down @ v.T).min(axis=-1) for v in _vertices(hand)], axis=-1)
    offsets = path_offsets()
    travel = np.minimum(offsets[0] * down[..., 2], offsets[-1] * down[..., 2])
    height = poses[..., 2, 3] + travel - table_height
    return lowest + height[..., None] - margin


@lru_cache(maxsize=8)
def _approach_rays(hand: Hand, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) starts at the leading surface of fingers and palm, and (n,) lengths, TCP frame."""
    starts, lengths = [], []
    palm, left, right = gripper_hulls(hand)
    for hull in (*left, *right, *palm):
        top, bottom = _extent_along_z(hull)
        # The hull is inflated by the margin, the path ends short of the pose by the lag.
        top[:, 2] += path_offsets()[-1] + margin
        starts.append(top)
        lengths.append(top[:, 2] - bottom + path_offsets()[-1] - path_offsets()[0])
    return np.concatenate(starts), np.concatenate(lengths)


def _extent_along_z(hull: trimesh.Trimesh) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) points of the leading surface over a grid in x, y, and (n,) z of the trailing one."""
    lower, upper = hull.bounds
    axes = []
    for axis in range(2):
        count = int(np.ceil((upper[axis] - lower[axis]) / RAY_SPACING)) + 1
        axes.append(np.linspace(lower[axis] + 1e-4, upper[axis] - 1e-4, count))
    x, y = (grid.ravel() for grid in np.meshgrid(*axes, indexing="ij"))
    # A hull is the intersection of half spaces n.p <= d: bound z over each grid point.
    normals = hull.face_normals
    offsets = np.sum(normals * hull.triangles[:, 0], axis=1)
    slack = offsets - np.outer(x, normals[:, 0]) - np.outer(y, normals[:, 1])
    with np.errstate(divide="ignore"):
        bound = slack / normals[:, 2]
    steep = np.abs(normals[:, 2]) < 1e-6
    top = np.where((normals[:, 2] > 0) & ~steep, bound, np.inf).min(axis=1)
    bottom = np.where((normals[:, 2] < 0) & ~steep, bound, -np.inf).max(axis=1)
    inside = (top > bottom) & (slack[:, steep] > -1e-9).all(axis=1)
    return np.stack([x, y, top], axis=1)[inside], bottom[inside]


def ray_collision(
    geometry: SceneGeometry, poses: np.ndarray, hand: Hand, margin: float = COLLISION_MARGIN
) -> np.ndarray:
    """(n,) whether the prism swept by the open hand certainly meets an object.

    Args:
        geometry: the scene's objects (the table is left to `table_clearance`).
        poses: (n, 4, 4) grasp poses of the TCP.
        hand: which approaches, all open.
        margin: by which the simulator's shapes are thicker, metres.
    """
    starts, lengths = _approach_rays(hand, margin)
    origins = starts @ np.swapaxes(poses[:, :3, :3], 1, 2) + poses[:, None, :3, 3]
    directions = np.repeat(-poses[:, :3, 2], len(starts), axis=0)
    hit = geometry.cast(origins.reshape(-1, 3), directions, table=False)
    return (hit.distance.reshape(len(poses), len(starts)) < lengths).any(axis=1)


@lru_cache(maxsize=8)
def _region_rays(hand: Hand) -> np.ndarray:
    """(n, 3) starts on the left pad of the open hand, TCP frame."""
    lower, upper = _bounds(gripper_hulls(hand)[1])
    across = np.linspace(lower[0], upper[0], FINGER_GRID[0])
    along = np.linspace(lower[2], upper[2], FINGER_GRID[1])
    x, z = (grid.ravel() for grid in np.meshgrid(across, along, indexing="ij"))
    return np.stack([x, np.full_like(x, hand.opening / 2), z], axis=1)


def _bounds(hulls: Sequence[trimesh.Trimesh]) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corner of the box around hulls."""
    corners = np.stack([hull.bounds for hull in hulls])
    return corners[:, 0].min(axis=0), corners[:, 1].max(axis=0)


def region_empty(geometry: SceneGeometry, poses: np.ndarray, hand: Hand) -> np.ndarray:
    """(n,) whether no object crosses the space between the open finger pads.

    Args:
        geometry: the scene's objects.
        poses: (n, 4, 4) grasp poses of the TCP.
        hand: which is open there.
    """
    starts = _region_rays(hand)
    origins = starts @ np.swapaxes(poses[:, :3, :3], 1, 2) + poses[:, None, :3, 3]
    directions = np.repeat(-poses[:, :3, 1], len(starts), axis=0)
    hit = geometry.cast(origins.reshape(-1, 3), directions, table=False)
    return (hit.distance.reshape(len(poses), len(starts)) > hand.opening).all(axis=1)


class ContactSweep:
    """Asks a simulator whether the approach of a loaded, open gripper meets an object at rest.

    Args:
        world: holds the scene.
        gripper: loaded, its fingers open. It ends up where the last question put it.
    """

    QUERY = 0.012
    """Clearances are searched up to this distance; it also bounds one stride of the sweep."""

    def __init__(self, world: Simulator, gripper: FreeHand) -> None:
        self.world, self.gripper = world, gripper
        gripper.teleport(gripper.parked)
        bodies = list(world.bodies)
        boxes = np.array([world.bounds(body) for body in bodies]).reshape(-1, 2, 3)
        self._lower, self._upper = boxes[:, 0], boxes[:, 1]
        state = world.save()
        distances = gripper.contact_distances()
        world.restore(state)
        world.forget(state)
        self.bodies = bodies
        self.limits = distances
        self.table_limits = distances.get(world.table, np.zeros(3))
        self._box = _bounds([hull for part in gripper_hulls(gripper.hand) for hull in part])

    def collides(self, pose: np.ndarray) -> bool:
        """Whether the trial at a (4, 4) TCP pose would see a contact during its approach."""
        near = self._near(pose)
        if not near:
            return False
        offsets = path_offsets()
        last = len(offsets) - 1
        T = pose.copy()
        while last >= 0:
            T[:3, 3] = pose[:3, 3] + offsets[last] * pose[:3, 2]
            clearance = self._clearance(T, near)
            if clearance <= 0.0:
                return True
            # A translation by s changes no distance by more than s.
            last = int(np.searchsorted(offsets, offsets[last] - clearance, side="left")) - 1
        return False

    def _near(self, pose: np.ndarray) -> list[int]:
        """Bodies whose bounding box the box of the swept hand may touch."""
        lower, upper = self._box[0].copy(), self._box[1]
        lower[2] -= APPROACH_DISTANCE
        centre = pose[:3, :3] @ ((lower + upper) / 2) + pose[:3, 3]
        half = np.abs(pose[:3, :3]) @ ((upper - lower) / 2) + self.QUERY
        overlap = ((self._lower <= centre + half) & (self._upper >= centre - half)).all(axis=1)
        return [body for body, near in zip(self.bodies, overlap, strict=True) if near]

    def _clearance(self, T: np.ndarray, bodies: list[int]) -> float:
        """Smallest distance beyond the contact distance, at most about QUERY."""
        self.gripper.place(T)
        clearance = self.QUERY - 0.003
        for body in bodies:
            limits = self.limits[body]
            for part, distance in self.gripper.clearances(body, self.QUERY):
                clearance = min(clearance, distance - limits[part])
        return clearance
