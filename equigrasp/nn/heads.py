"""Equivariant decoders from point features to grasp quantities."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.nn.fields import FieldType
from equigrasp.nn.steerable import BasisBank, SteerableLinear


class ResidualMLPBlock(nn.Module):
    """h -> h + L1(relu(L0(relu(h + Lc(c))))): inject the point feature, then a residual update."""

    def __init__(self, hidden: FieldType, bank: BasisBank, blocks: int) -> None:
        super().__init__()
        self.inject = SteerableLinear(hidden, hidden, bank, gain=1.0 / blocks)
        self.first = SteerableLinear(hidden, hidden, bank, gain=2.0)
        self.second = SteerableLinear(hidden, hidden, bank, gain=1.0 / blocks)

    def forward(self, h: Tensor, c: Tensor) -> Tensor:
        h = h + self.inject(c)
        return h + self.second(F.relu(self.first(F.relu(h))))


class Head(nn.Module):
    """C4-equivariant MLP on point features; no coordinates enter but through the features.

    Args:
        source: type of the point features.
        target: type of the output.
        fields: regular fields of the hidden layers.
        blocks: residual blocks.
        bank: where bases come from.
    """

    def __init__(
        self,
        source: FieldType,
        target: FieldType,
        bank: BasisBank,
        *,
        fields: int = 32,
        blocks: int = 5,
    ) -> None:
        super().__init__()
        hidden = FieldType("C4", regular=fields)
        self.enter = SteerableLinear(source, hidden, bank, gain=2.0)
        self.blocks = nn.ModuleList(ResidualMLPBlock(hidden, bank, blocks) for _ in range(blocks))
        self.leave = SteerableLinear(hidden, target, bank, gain=0.1)

    def forward(self, features: Tensor) -> Tensor:
        """(..., C) -> (..., C_out)."""
        c = F.relu(self.enter(features))
        h = torch.zeros_like(c)
        for block in self.blocks:
            h = block(h, c)
        return self.leave(h)
