"""Rotations as bins of Euler angles: 72 of 5 degrees for each of three axes, as published.

An angle in bins is a real number: 3.0 is the middle of bin 3, 3.5 lies between it and the next.
Angles are extrinsic x, y, z. Where the middle one is within a degree of +-90 the other two are not
told apart; it is set to 90 there and the first to what is left, as RVT-2 does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

BINS = 72
DEGREES = 360 / BINS


def rotation_to_bins(rotation: ArrayLike) -> NDArray[np.float32]:
    """Angles (..., 3) in bins, from 0 to below `BINS`, of rotation matrices (..., 3, 3)."""
    matrices = np.asarray(rotation, dtype=np.float64)
    angles = _euler(matrices.reshape(-1, 3, 3))
    bins = ((angles + 180) / DEGREES % BINS).astype(np.float32)
    # The remainder of a number just below zero is rounded to the divisor.
    return np.where(bins < BINS, bins, np.float32(0)).reshape(*matrices.shape[:-2], 3)


def bins_to_rotation(bins: ArrayLike) -> NDArray[np.float64]:
    """Rotation matrices (..., 3, 3) of angles (..., 3) in bins."""
    bins = np.asarray(bins)
    angles = bins.reshape(-1, 3) * DEGREES - 180
    matrices = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    return matrices.reshape(*bins.shape[:-1], 3, 3)


def _euler(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angles (n, 3) in degrees."""
    sine = np.clip(-matrices[:, 2, 0], -1, 1)
    pole = np.abs(np.degrees(np.arcsin(sine))) > 89
    angles = np.zeros((len(matrices), 3))
    if (~pole).any():
        angles[~pole] = Rotation.from_matrix(matrices[~pole]).as_euler("xyz", degrees=True)
    if pole.any():
        side = 90 * np.sign(sine[pole])
        level = Rotation.from_euler("y", side, degrees=True)
        rest = level.inv() * Rotation.from_matrix(matrices[pole])  # a turn about x, nearly
        angles[pole, 0] = np.degrees(
            np.arctan2(rest.as_matrix()[:, 2, 1], rest.as_matrix()[:, 1, 1])
        )
        angles[pole, 1] = side
    return angles
