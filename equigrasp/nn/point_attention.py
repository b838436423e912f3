"""Equivariant deformable attention: a point looks where its own feature tells it to.

After the equivariant deformable attention of arXiv 2507.18847, section on EquiIGD: offsets are
steerable fields read at the point (horizontal part a vector, vertical part a scalar), weights are
scalars, so the read commutes with quarter turns whatever the weights of the network.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from equigrasp.nn.fields import FieldType
from equigrasp.nn.kernel_basis import BasisBank
from equigrasp.nn.steerable import SteerableLinear

Reader = Callable[[Tensor], Tensor]
"""Features (B, Q, C) at normalised points (B, Q, 3)."""


def read_around(read: Reader, places: Tensor) -> Tensor:
    """Features (B, ..., C) at several places of every point, (B, ..., 3) normalised."""
    return read(places.flatten(1, -2)).unflatten(1, places.shape[1:-1])


_SPREAD = 0.05
"""Standard deviation of the offsets at initialisation, in cube sides (15 mm)."""
_DEPTHS = (-0.2, 0.05)
"""Range over which the vertical offsets are spread at initialisation, in cube sides: queries lie
at the finger root, what is to be grasped lies below."""


class PointAttention(nn.Module):
    """Weighted mean of features at points chosen by the feature of the query point.

    Args:
        source: type of the features that are read.
        target: type of the result; regular fields only.
        bank: where bases come from.
        samples: points read per query.
        heads: groups of result fields with weights of their own; must divide their number.
    """

    def __init__(
        self,
        source: FieldType,
        target: FieldType,
        bank: BasisBank,
        *,
        samples: int = 8,
        heads: int = 4,
    ) -> None:
        super().__init__()
        if target.channels != 4 * target.regular or target.regular % heads:
            raise ValueError(
                f"{target} cannot be shared among {heads} heads; use regular fields only, their "
                "number a multiple of the heads"
            )
        self.samples, self.heads = samples, heads
        offset = FieldType("C4", vector=samples, trivial=samples)
        self.offset = SteerableLinear(source, offset, bank, gain=_SPREAD**2)
        with torch.no_grad():
            self.offset.bias.copy_(torch.linspace(*_DEPTHS, samples))
        self.weight = SteerableLinear(source, FieldType("C4", trivial=samples * heads), bank)
        self.value = SteerableLinear(source, target, bank)
        self.own = SteerableLinear(source, target, bank)

    def forward(self, read: Reader, points: Tensor) -> Tensor:
        """Attended features.

        Args:
            read: features of the scenes at points.
            points: (B, Q, 3) normalised.

        Returns:
            (B, Q, target.channels).
        """
        here = read(points)
        k = self.samples
        level, upright = self.offset(here).split([2 * k, k], -1)
        offsets = torch.cat([level.unflatten(-1, (k, 2)), upright.unsqueeze(-1)], -1)
        there = read_around(read, points.unsqueeze(2) + offsets)
        values = self.value(there).unflatten(-1, (self.heads, -1))
        weights = self.weight(here).unflatten(-1, (k, self.heads, 1)).softmax(2)
        return self.own(here) + (weights * values).sum(2).flatten(-2)
