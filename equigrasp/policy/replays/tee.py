"""The T of PushT: its corners in its own frame, and where it has to go.

Lengths are pixels of a square of 512, y points down, as in Diffusion Policy (arXiv 2303.04137) and
gym-pusht.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

SIDE = 512.0
"""Of the square in which everything happens."""
AGENT_RADIUS = 15.0
GOAL = np.array([256.0, 256.0, np.pi / 4])
"""Pose (x, y, angle) that the T has to reach."""
COVERED = 0.95
"""Share of the goal that counts as all of it."""
BAR = np.array([(-60.0, 0.0), (60.0, 0.0), (60.0, 30.0), (-60.0, 30.0)])
STEM = np.array([(-15.0, 30.0), (15.0, 30.0), (15.0, 120.0), (-15.0, 120.0)])
VERTICES = np.concatenate([BAR, STEM])
"""Corners of both boxes, in the order of the published observation `environment_state`."""
OUTLINE = np.array(
    [(-60, 0), (60, 0), (60, 30), (15, 30), (15, 120), (-15, 120), (-15, 30), (-60, 30)], float
)
"""Corners around the T, its inside on the same hand all the way."""


def place(points: ArrayLike, pose: ArrayLike) -> NDArray[np.float64]:
    """Points of the T's frame in the square.

    Args:
        points: (K, 2).
        pose: (..., 3) x, y, angle of the T.

    Returns:
        (..., K, 2).
    """
    pose = np.asarray(pose, dtype=np.float64)
    c, s = np.cos(pose[..., 2]), np.sin(pose[..., 2])
    turn = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    return np.asarray(points) @ np.swapaxes(turn, -1, -2) + pose[..., None, :2]


def keypoints(pose: ArrayLike) -> NDArray[np.float64]:
    """The 8 corners as observed: (..., 3) poses to (..., 16), x and y in turn."""
    placed = place(VERTICES, pose)
    return placed.reshape(*placed.shape[:-2], 2 * len(VERTICES))


def pose_of(corners: ArrayLike) -> NDArray[np.float64]:
    """The poses (..., 3) that corners (..., 16) belong to, the inverse of `keypoints`."""
    corners = np.asarray(corners, dtype=np.float64)
    left, right = corners[..., 0:2], corners[..., 2:4]  # of the bar's edge through the origin
    along = right - left
    angle = np.arctan2(along[..., 1], along[..., 0]) % (2 * np.pi)
    return np.concatenate([(left + right) / 2, angle[..., None]], -1)
