"""The table as rays see it: a slab of 1.2 x 1.2 m under the workspace, intersected analytically."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equigrasp.constants import TABLE_HEIGHT, WORKSPACE_SIZE

TABLE_SIDE = 1.2
TABLE_THICKNESS = 0.012
TABLE_LOWER = np.array(
    [
        WORKSPACE_SIZE / 2 - TABLE_SIDE / 2,
        WORKSPACE_SIZE / 2 - TABLE_SIDE / 2,
        TABLE_HEIGHT - TABLE_THICKNESS,
    ]
)
TABLE_UPPER = np.array(
    [WORKSPACE_SIZE / 2 + TABLE_SIDE / 2, WORKSPACE_SIZE / 2 + TABLE_SIDE / 2, TABLE_HEIGHT]
)
"""Corners of the table slab: 1.2 x 1.2 m, centred under the workspace."""


def slab_distance(origin: Sequence[np.ndarray], direction: Sequence[np.ndarray]) -> np.ndarray:
    """Distance at which rays enter the table slab (leave it, from inside); inf if never."""
    enter, leave = np.float32(-np.inf), np.float32(np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        for axis in range(3):
            inverse = 1.0 / direction[axis]
            a = (np.float32(TABLE_LOWER[axis]) - origin[axis]) * inverse
            b = (np.float32(TABLE_UPPER[axis]) - origin[axis]) * inverse
            # fmin and fmax skip the 0 * inf of a ray that runs inside a face plane.
            enter = np.fmax(enter, np.fmin(a, b))
            leave = np.fmin(leave, np.fmax(a, b))
    first = np.where(enter > 0.0, enter, leave)
    return np.where((enter <= leave) & (leave > 0.0), first, np.float32(np.inf))


def slab_normal(point: np.ndarray) -> np.ndarray:
    """(n, 3) outward normal of the face that each of (n, 3) surface points is nearest to."""
    centre, half = (TABLE_LOWER + TABLE_UPPER) / 2, (TABLE_UPPER - TABLE_LOWER) / 2
    offset = point - centre
    face = np.argmin(np.abs(half - np.abs(offset)), axis=1)
    normal = np.zeros_like(point)
    index = np.arange(len(point))
    normal[index, face] = np.sign(offset[index, face])
    return normal
