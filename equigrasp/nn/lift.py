"""Lifting a volume of scalars to regular fields, and its projections.

The four channels of a lifted field are what one kernel says to the scene turned back by 0, 1, 2 and
3 quarters. Computed so, instead of with four turned kernels, they are sums of the same numbers in
the same order whichever way the scene lies: turning it turns them to the last bit. That counts
because the planes are means over mostly constant space and are normalised after it, which raises a
rounding of 1e-6 that hangs on the direction to one of 1e-4 in the rotations.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.nn.fields import ORDER, FieldType
from equigrasp.nn.kernel_basis import BasisBank
from equigrasp.nn.planes import Means, project
from equigrasp.nn.steerable import SteerableConv

TURNS = ORDER["C4"]


class Lift(SteerableConv):
    """Rectified steerable 3x3x3 convolution of scalar volumes to regular fields, as its means.

    Args:
        scalars: channels of the volume.
        fields: regular C4 fields it is lifted to.
        bank: where kernel bases come from.
    """

    def __init__(self, scalars: int, fields: int, bank: BasisBank) -> None:
        source, target = FieldType("C4", trivial=scalars), FieldType("C4", regular=fields)
        super().__init__(source, target, 3, bank, gain=2.0, ndim=3)

    def forward(self, x: Tensor) -> Means:
        """(B, C, N, N, N) -> means of regular fields (B, 4 fields, N, N)."""
        return turned_means(x, self.filter()[::TURNS], self.bias)

    def to_plain(self) -> PlainLift:
        """Ordinary torch module with the same output."""
        return PlainLift(self.filter()[::TURNS], self.bias)


class PlainLift(nn.Module):
    """A frozen `Lift`.

    Args:
        weight: (fields, C, 3, 3, 3), the kernel of every field's first channel.
        bias: (fields,).
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone())
        self.bias = nn.Parameter(bias.detach().clone())

    def forward(self, x: Tensor) -> Means:
        """(B, C, N, N, N) -> means of regular fields (B, 4 fields, N, N)."""
        return turned_means(x, self.weight, self.bias)


def turned_means(x: Tensor, weight: Tensor, bias: Tensor) -> Means:
    """Means of the lifted fields; the volume is turned back, what came of it is projected, turned.

    Args:
        x: (B, C, N, N, N).
        weight: (fields, C, 3, 3, 3).
        bias: (fields,).

    Returns:
        means of rectified regular fields (B, 4 fields, N, N).
    """
    back = torch.cat([torch.rot90(x, -turns, (2, 3)) for turns in range(TURNS)])
    answers = F.relu(F.conv3d(back, weight, bias, padding=1), inplace=True)
    over_x, over_y, over_z = (mean.chunk(TURNS) for mean in project(answers))
    # an odd turn exchanges the axes x and y; what lies along a mirrored one is read backwards
    return Means(
        _fields([over_x[0], over_y[1], over_x[2].flip(2), over_y[3].flip(2)]),
        _fields([over_y[0], over_x[1].flip(2), over_y[2].flip(2), over_x[3]]),
        _fields([torch.rot90(over_z[turns], turns, (2, 3)) for turns in range(TURNS)]),
    )


def _fields(channels: list[Tensor]) -> Tensor:
    return torch.stack(channels, 2).flatten(1, 2)
