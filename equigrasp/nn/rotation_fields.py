"""Rotations as features: what a gripper's orientation looks like from each of the four sides.

A function phi of a rotation becomes a regular field of the turn group by `L(R)[r] = phi(g^-r R)`:
turning the scene, and R with it, rolls the four values by one. If phi does not see the half turn of
a parallel jaw (R and R Rz(pi)), neither does the field.
"""

from __future__ import annotations

import torch
from torch import Tensor

from equigrasp.nn.fields import FieldType, over_orbit

ROTATION_FIELD = FieldType("C4", regular=9)
"""Type of `rotation_field`."""

ROWS_FIELD = FieldType("C4", regular=6)
"""Type of `rows_field`."""


def rotation_field(rotation: Tensor) -> Tensor:
    """Approach axis and square of the closing axis, from four sides.

    Args:
        rotation: (..., 3, 3) gripper to workspace.

    Returns:
        (..., 36) of type `ROTATION_FIELD`, the same for R and R Rz(pi).
    """
    closing, approach = rotation[..., 1], rotation[..., 2]
    x, y, z = _sides(closing)
    squares = [x * x, y * y, z * z, x * y, x * z, y * z]
    return _as_fields([*_sides(approach), *squares])


def rows_field(rows: Tensor) -> Tensor:
    """The six numbers of the first two rows of a 3x3 matrix, from four sides.

    Args:
        rows: (..., 2, 3); its columns are horizontal vectors.

    Returns:
        (..., 24) of type `ROWS_FIELD`.
    """
    columns = [_sides(rows[..., axis])[:2] for axis in range(3)]
    return _as_fields([value for column in columns for value in column])


def _sides(vector: Tensor) -> tuple[Tensor, ...]:
    """Components (..., 4) of g^-r v for r = 0 to 3, v (..., 2) or (..., 3)."""
    x, y = vector[..., 0], vector[..., 1]
    turned = (torch.stack([x, y, -x, -y], -1), torch.stack([y, -x, -y, x], -1))
    if vector.shape[-1] == 2:
        return turned
    return (*turned, over_orbit(vector[..., 2:]))


def _as_fields(values: list[Tensor]) -> Tensor:
    return torch.cat(values, -1)
