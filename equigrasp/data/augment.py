"""Exact symmetries of a training item: quarter turns about the vertical and the mirror x -> -x.

Only maps that send the voxel lattice to itself are offered, so that nothing is interpolated and
an augmented item is what the camera, turned or mirrored with the scene, would have given.
Coordinates are normalised (centred on the axis), keys and shapes of an item stand in
`equigrasp.data.batch_keys`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from equigrasp.data import batch_keys as keys
from equigrasp.geometry.turns import turn_grid, turn_matrix, turn_points

_MIRROR = torch.tensor([-1.0, 1.0, 1.0])


def quarter_turn(item: dict[str, Tensor], turns: int) -> dict[str, Tensor]:
    """Turn a scene and its labels by `turns` times +90 degrees about the vertical axis.

    The turn sends (x, y) to (-y, x); the grid follows `V'[x, y, z] = V[y, N-1-x, z]`
    (exact on an even grid), rotations become `Rz R`. Widths and labels stay.

    Args:
        item: tensors by `equigrasp.data.batch_keys`, of one scene or a batch.
        turns: any integer.

    Returns:
        A new dict; the input is not modified.
    """
    return {
        **item,
        keys.TSDF: turn_grid(item[keys.TSDF], turns),
        keys.POINTS: turn_points(item[keys.POINTS], turns),
        keys.OCC_POINTS: turn_points(item[keys.OCC_POINTS], turns),
        keys.ROTATIONS: turn_matrix(turns, item[keys.ROTATIONS].dtype) @ item[keys.ROTATIONS],
    }


def mirror(item: dict[str, Tensor]) -> dict[str, Tensor]:
    """Mirror a scene and its labels at the plane x = 0.

    With M = diag(-1, 1, 1) a point p goes to M p and a rotation R to M R M: the M on the right is
    the hand's own mirror symmetry in its x axis (normal to the finger plane), which turns the
    mirrored frame into a proper one. Approach and closing direction are mirrored as vectors, so
    a grasp that holds an object holds the mirrored object after it.

    Args:
        item: as for `quarter_turn`.

    Returns:
        A new dict; the input is not modified.
    """
    return {
        **item,
        keys.TSDF: item[keys.TSDF].flip(-3),
        keys.POINTS: item[keys.POINTS] * _MIRROR,
        keys.OCC_POINTS: item[keys.OCC_POINTS] * _MIRROR,
        keys.ROTATIONS: _MIRROR[:, None] * item[keys.ROTATIONS] * _MIRROR,
    }


def random_symmetry(
    item: dict[str, Tensor],
    rng: np.random.Generator,
    *,
    quarter_turns: bool,
    mirrors: bool,
) -> dict[str, Tensor]:
    """Apply a uniformly drawn element of the group made of the allowed symmetries.

    Args:
        item: as for `quarter_turn`.
        rng: drawn from once per allowed kind.
        quarter_turns: allow turns by 0, 90, 180, 270 degrees.
        mirrors: allow the mirror.

    Returns:
        The transformed item (the input itself where nothing is allowed).
    """
    if mirrors and rng.integers(2):
        item = mirror(item)
    if quarter_turns:
        item = quarter_turn(item, int(rng.integers(4)))
    return item
