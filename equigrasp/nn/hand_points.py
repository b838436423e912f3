"""Features of a scene as a gripper pose sees them: sampled on a grid that moves with the hand.

After the grasp classifiers of IGD and EquiIGD (arXiv 2507.18847): control points in the plane in
which the fingers close. A point is known by its place in the hand, which no turn of the scene
changes; the two places that the half turn of the jaw exchanges share everything, so the result is
the same for R and R Rz(pi), and commutes with quarter turns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.hand import Hand
from equigrasp.nn.fields import FieldType, over_orbit
from equigrasp.nn.kernel_basis import BasisBank
from equigrasp.nn.point_attention import Reader, read_around
from equigrasp.nn.rotation_fields import ROTATION_FIELD, rotation_field
from equigrasp.nn.steerable import SteerableLinear

_ACROSS, _ALONG = 5, 5


def hand_grid(hand: Hand, side: float, setback: float) -> Tensor:
    """Places between the open fingers, in the plane in which they close.

    Args:
        hand: opening and finger depth span the plane.
        side: of the workspace, metres.
        setback: distance in metres from the tips back to the query point.

    Returns:
        (25, 3) in the hand's frame, from the query point, in cube sides; five places across the
        opening, at each of them five from the finger root to the tip.
    """
    across = torch.linspace(-hand.opening / 2, hand.opening / 2, _ACROSS)
    along = torch.linspace(0.0, hand.finger_depth, _ALONG) + setback - hand.finger_depth
    y, z = torch.meshgrid(across, along, indexing="ij")
    return torch.stack([torch.zeros_like(y), y, z], -1).view(-1, 3) / side


class HandPoints(nn.Module):
    """Regular fields that describe a scene around a gripper pose.

    Args:
        source: type of the features that are read.
        fields: regular fields of the result.
        bank: where bases come from.
        grid: (25, 3) places in the hand, see `hand_grid`.
        shifts: whether the features at a point say by how much its places are moved.
    """

    def __init__(
        self, source: FieldType, fields: int, bank: BasisBank, grid: Tensor, *, shifts: bool = True
    ) -> None:
        super().__init__()
        self.target = FieldType("C4", regular=fields)
        self.register_buffer("grid", grid, persistent=False)
        column = torch.arange(_ACROSS)
        mirrored = torch.minimum(column, _ACROSS - 1 - column)
        place = mirrored.unsqueeze(1) * _ALONG + torch.arange(_ALONG)
        self.register_buffer("place", place.flatten(), persistent=False)
        places = int(place.max()) + 1
        moved = FieldType("C4", vector=places, trivial=places)
        self.shift = SteerableLinear(source, moved, bank, gain=1e-4) if shifts else None
        self.value = SteerableLinear(source, self.target, bank)
        self.pose = SteerableLinear(ROTATION_FIELD, self.target, bank)
        self.code = nn.Parameter(torch.randn(places, fields) * 0.5)
        self.share = nn.Parameter(torch.randn(places, fields) * 0.5 * len(place) ** -0.5)

    def forward(self, read: Reader, points: Tensor, rotation: Tensor) -> Tensor:
        """Fields for S poses at each of Q points.

        Args:
            read: features of the scenes at points.
            points: (B, Q, 3) normalised query points.
            rotation: (B, Q, S, 3, 3).

        Returns:
            (B, Q, S, 4 * fields).
        """
        return self.describe(self.look(read, points, rotation), rotation)

    def look(self, read: Reader, points: Tensor, rotation: Tensor) -> Tensor:
        """Features (B, Q, S, 25, C) at the hand's places; arguments as those of `forward`."""
        grid = self.grid.to(points.dtype) @ rotation.transpose(-1, -2)  # (B, Q, S, K, 3)
        places = points[:, :, None, None] + grid
        if self.shift is not None:
            count = len(self.code)
            level, upright = self.shift(read(points)).split([2 * count, count], -1)
            shift = torch.cat([level.unflatten(-1, (-1, 2)), upright.unsqueeze(-1)], -1)
            places = places + shift[:, :, self.place].unsqueeze(2)
        return read_around(read, places)

    def describe(self, seen: Tensor, rotation: Tensor) -> Tensor:
        """Fields (..., 4 * fields) of features (..., 25, C) that rotations (..., 3, 3) see."""
        code = over_orbit(self.code[self.place])
        share = over_orbit(self.share[self.place])
        posed = self.pose(rotation_field(rotation)).unsqueeze(-2)
        return (F.relu(self.value(seen) + posed + code) * share).sum(-2)
