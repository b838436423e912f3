"""From the volume to three planes and back to points: lifting, projection, query.

With regular fields V[r](x, y, z) lifted from the volume, the side planes are A[r](x, z), the mean
over y, and B[r](y, z), the mean over x with its channels turned back by one. A quarter turn of the
scene sends (A, B) to (mirror . B, A), so both planes are fields of the mirror group and share one
network; at a point their values (a0, b0, a1, b1) form a regular field of the turn again.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class TriPlane(NamedTuple):
    """Features on three planes: xy (B, C, X, Y), side_a (B, C', X, Z), side_b (B, C', Y, Z)."""

    xy: Tensor
    side_a: Tensor
    side_b: Tensor


def turn_to_mirror(x: Tensor, fields: int) -> Tensor:
    """Regular C4 fields (B, fields*4, ...) as pairs of regular C2 fields (channels r and r+2)."""
    halves = x.unflatten(1, (fields, 2, 2))  # r = 2 * half + parity
    return halves.transpose(2, 3).flatten(1, 3)


def mirror_to_turn(a: Tensor, b: Tensor, dim: int = 1) -> Tensor:
    """Interleave mirror fields of the two side planes into regular C4 fields (a0, b0, a1, b1)."""
    return torch.stack([a, b], dim + 1).flatten(dim, dim + 1)


def roll_back(x: Tensor, fields: int) -> Tensor:
    """Turn the channels of regular C4 fields back by one: out[r] = in[r + 1]."""
    return x.unflatten(1, (fields, 4)).roll(-1, 2).flatten(1, 2)


def mean_over(x: Tensor, dim: int) -> Tensor:
    """Mean over one axis.

    Scaling after the sum keeps the backward pass off the volume: its gradient is a broadcast view.
    """
    return x.sum(dim) * (1.0 / x.shape[dim])


class Means(NamedTuple):
    """Means over each axis: over_x (B, C, Y, Z), over_y (B, C, X, Z), over_z (B, C, X, Y)."""

    over_x: Tensor
    over_y: Tensor
    over_z: Tensor


def project(volume: Tensor) -> Means:
    """Means of a volume (B, C, X, Y, Z) over each of its axes."""
    return Means(*(mean_over(volume, dim) for dim in (2, 3, 4)))


def align_sides(over_x: Tensor, over_y: Tensor, fields: int) -> tuple[Tensor, Tensor]:
    """Aligned sides A and B, as C2 fields, of regular C4 fields' means over y and over x.

    Args:
        over_x, over_y: (B, 4 fields, ...), of a volume or of a plane.
        fields: number of the C4 fields.
    """
    return turn_to_mirror(over_y, fields), turn_to_mirror(roll_back(over_x, fields), fields)


def sample_plane(plane: Tensor, first: Tensor, second: Tensor, *, corners: bool = False) -> Tensor:
    """Bilinear values of a plane at normalised coordinates in [-0.5, 0.5].

    Pixel i sits at (i + 0.5) / N - 0.5 like its voxel; outside, the border value holds.

    Args:
        plane: (B, C, N, M).
        first, second: (B, Q) coordinates along the third and fourth axis of `plane`.
        corners: pixel i sits at i / (N - 1) - 0.5 instead, as published.

    Returns:
        (B, Q, C).
    """
    grid = 2 * torch.stack([second, first], -1).unsqueeze(1)
    values = F.grid_sample(
        plane, grid.to(plane.dtype), mode="bilinear", padding_mode="border", align_corners=corners
    )
    return values.squeeze(2).transpose(1, 2)
