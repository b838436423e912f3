"""A second look at a grasp: does it hold, given what is seen between the fingers?

What the judge looks at is what the encoder tells at the query point and at places in the hand. All
that learns comes after, so what was looked at can be kept with the outcome of an attempt, and a
judge learns from attempts without a scene being encoded (`equigrasp.training.judge_tuning`). Exact
as `equigrasp.nn.hand_points` is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from equigrasp.diffusion.batch import repeat_conditions
from equigrasp.nn.fields import FieldType
from equigrasp.nn.hand_points import HandPoints
from equigrasp.nn.heads import Head
from equigrasp.nn.kernel_basis import BasisBank
from equigrasp.nn.point_attention import Reader
from equigrasp.nn.rotation_fields import ROTATION_FIELD, rotation_field
from equigrasp.nn.steerable import SteerableLinear

ENTRIES = 9
"""Numbers of a rotation."""


class HandJudge(nn.Module):
    """By how much a hand changes the logit of success that a point alone has; none at first.

    Args:
        source: type of the features that are read.
        bank: where bases come from.
        grid: (25, 3) places in the hand, see `equigrasp.nn.hand_points.hand_grid`.
        fields: regular fields of the hidden layers.
        blocks: residual blocks.
    """

    def __init__(
        self, source: FieldType, bank: BasisBank, grid: Tensor, *, fields: int, blocks: int
    ) -> None:
        super().__init__()
        hidden = FieldType("C4", regular=fields)
        self.source, self.places = source, len(grid)
        self.hand_points = HandPoints(source, fields, bank, grid, shifts=False)
        self.own = SteerableLinear(source, hidden, bank)
        both = FieldType("C4", regular=fields + ROTATION_FIELD.regular + fields)
        self.head = Head(both, FieldType("C4", trivial=1), bank, fields=fields, blocks=blocks)
        for parameter in self.head.out_projection.parameters():
            nn.init.zeros_(parameter)

    @property
    def channels(self) -> int:
        """Of what is looked at."""
        return (1 + self.places) * self.source.channels + ENTRIES

    def look(self, read: Reader, points: Tensor, rotations: Tensor, here: Tensor) -> Tensor:
        """What there is to see for S hands at each of Q points; nothing in it is learned here.

        Args:
            read: features of the scenes at points.
            points: (B, Q, 3) normalised query points.
            rotations: (B, Q, S, 3, 3).
            here: (B, Q, C) features at the points.

        Returns:
            (B, Q, S, channels).
        """
        around = self.hand_points.look(read, points, rotations)
        own = repeat_conditions(here, rotations.shape[2], levels=2)
        return torch.cat([own, around.flatten(3), rotations.flatten(3)], -1)

    def forward(self, looked: Tensor) -> Tensor:
        """Changes (...) of logits, of what `look` returned (..., channels)."""
        seen, entries = looked.split([self.channels - ENTRIES, ENTRIES], -1)
        seen = seen.unflatten(-1, (-1, self.source.channels))
        rotation = entries.unflatten(-1, (3, 3))
        around = self.hand_points.describe(seen[..., 1:, :], rotation)
        own = self.own(seen[..., 0, :])
        return self.head(torch.cat([around, rotation_field(rotation), own], -1)).squeeze(-1)
