"""The table in a cloud of points: its plane, and a frame on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.geometry.transforms import Matrix, make_transform

TRIALS = 400
"""Planes through three points that are tried; with a third of the points on the table, all of them
miss it once in a million times."""
JUDGED = 4000
"""So many points judge each of them."""
TOLERANCE = 0.008
"""Points this near (m) belong to a plane; depth cameras err by 2 to 5 mm at 0.6 m."""
FEWEST_SHARE = 0.1
"""A smaller share of the points is no table."""
TILT = np.deg2rad(25.0)
"""Where up is known, planes tilted by more are no table."""
UPRIGHT = 0.2
"""A view whose forward direction has a smaller share along the table looks straight down."""


@dataclass(frozen=True)
class TablePlane:
    """A plane that was found.

    Attributes:
        T_world_table: (4, 4) pose of a frame on it in the frame of the points: z up, y along the
            view, origin below the camera.
        share: of the points that lie on it.
        residual: root mean square distance of these points from it, metres.
    """

    T_world_table: Matrix
    share: float
    residual: float

    def heights(self, points: ArrayLike) -> NDArray[np.float64]:
        """Heights (N,) of points (N, 3) over the plane, metres."""
        T = self.T_world_table
        return (np.asarray(points) - T[:3, 3]) @ T[:3, 2]


class NoTable(ValueError):
    """The points show no plane that could be the table."""


def find_table(
    points: ArrayLike,
    T_world_camera: ArrayLike,
    *,
    up: ArrayLike | None = None,
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> TablePlane:
    """The plane that most points lie on (RANSAC, then least squares on what lies on it).

    Args:
        points: (N, 3), metres.
        T_world_camera: (4, 4) pose, in the frame of the points, of a camera that sees them, with
            OpenCV axes; up is the side of the plane on which it is.
        up: direction (3,) of up in that frame, if it is known, say from an accelerometer.
        tolerance: distance from the plane within which points belong to it, metres.
        seed: of the trials; equal points give equal planes.

    Raises:
        NoTable: fewer than `FEWEST_SHARE` of the points share a plane, none of those that do is
            level where up is known, or there are fewer than three points.
    """
    points, camera = np.asarray(points, dtype=np.float64), np.asarray(T_world_camera, float)
    rng = np.random.default_rng(seed)
    level = None if up is None else np.asarray(up, float) / np.linalg.norm(up)
    normal, offset = _best_plane(points, rng, level, tolerance)
    for _ in range(3):
        on_it = np.abs(points @ normal - offset) < tolerance
        if on_it.sum() < 3:
            break
        middle = points[on_it].mean(0)
        normal = np.linalg.svd(points[on_it] - middle, full_matrices=False)[2][2]
        offset = normal @ middle
    eye = camera[:3, 3]
    if normal @ eye < offset:
        normal, offset = -normal, -offset
    distance = points @ normal - offset
    on_it = np.abs(distance) < tolerance
    share = float(on_it.mean())
    if share < FEWEST_SHARE:
        raise NoTable(
            f"only {share:.0%} of the readings share a plane; the table has to fill at least "
            f"{FEWEST_SHARE:.0%} of them: show more of it, or give the camera's pose"
        )
    if level is not None and normal @ level < np.cos(TILT):
        raise NoTable(
            f"the plane that most readings share is tilted by "
            f"{np.degrees(np.arccos(np.clip(normal @ level, -1, 1))):.0f} degrees against up; "
            "check the direction of up"
        )
    residual = float(np.sqrt((distance[on_it] ** 2).mean()))
    return TablePlane(_frame(normal, offset, camera), share, residual)


def _best_plane(
    points: NDArray[np.float64],
    rng: np.random.Generator,
    level: NDArray[np.float64] | None,
    tolerance: float,
) -> tuple[NDArray[np.float64], float]:
    """Unit normal and offset of the plane through three of the points that is nearest to most."""
    if len(points) < 3:
        raise NoTable(f"there are {len(points)} readings; a table needs more")
    three = points[rng.integers(len(points), size=(TRIALS, 3))]
    normals = np.cross(three[:, 1] - three[:, 0], three[:, 2] - three[:, 0])
    length = np.linalg.norm(normals, axis=1)
    good = length > 1e-9
    normals[good] /= length[good, None]
    if level is not None:
        good &= np.abs(normals @ level) > np.cos(TILT)
    if not good.any():
        raise NoTable("no three readings lie on a plane that is level; check the direction of up")
    normals = normals[good]
    offsets = np.einsum("ij,ij->i", normals, three[good, 0])
    judges = points[rng.permutation(len(points))[:JUDGED]]
    votes = (np.abs(judges @ normals.T - offsets) < tolerance).sum(0)
    best = int(votes.argmax())
    return normals[best], float(offsets[best])


def _frame(normal: NDArray[np.float64], offset: float, camera: Matrix) -> Matrix:
    """Frame (4, 4) on the plane: z up, y along the view (the image's upward side, for a camera that
    looks straight down), origin below the camera."""
    eye = camera[:3, 3]
    forward = camera[:3, 2] - (camera[:3, 2] @ normal) * normal
    if np.linalg.norm(forward) < UPRIGHT:
        forward = -(camera[:3, 1] - (camera[:3, 1] @ normal) * normal)
    y = forward / np.linalg.norm(forward)
    rotation = np.stack([np.cross(y, normal), y, normal], axis=1)
    return make_transform(rotation, eye - (normal @ eye - offset) * normal)
