"""Equivariant decoders from point features to grasp quantities."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.nn.fields import FieldType
from equigrasp.nn.kernel_basis import BasisBank
from equigrasp.nn.steerable import SteerableLinear


class ResidualMLPBlock(nn.Module):
    """h -> h + L1(relu(L0(relu(h + Lc(c))))): inject the point feature, then a residual update."""

    def __init__(self, hidden: FieldType, bank: BasisBank, blocks: int) -> None:
        super().__init__()
        self.inject = SteerableLinear(hidden, hidden, bank, gain=1.0 / blocks)
        self.first = SteerableLinear(hidden, hidden, bank, gain=2.0)
        self.second = SteerableLinear(hidden, hidden, bank, gain=1.0 / blocks)

    def forward(self, h: Tensor, c: Tensor) -> Tensor:
        """Hidden state (..., C) after point features (..., C) of the same type; same shape."""
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
        self.in_projection = SteerableLinear(source, hidden, bank, gain=2.0)
        self.blocks = nn.ModuleList(ResidualMLPBlock(hidden, bank, blocks) for _ in range(blocks))
        self.out_projection = SteerableLinear(hidden, target, bank, gain=0.1)

    def forward(self, features: Tensor) -> Tensor:
        """(..., C) -> (..., C_out)."""
        c = F.relu(self.in_projection(features))
        h = torch.zeros_like(c)
        for block in self.blocks:
            h = block(h, c)
        return self.out_projection(h)

    def to_plain(self) -> PlainHead:
        """Ordinary torch module with the same output."""
        return PlainHead(self)


class PlainHead(nn.Module):
    """A frozen `Head`: the same sums with fewer passes over memory.

    Products are added to the hidden state in place, and the biases that it would have collected
    are added where it is read. With 64 channels on one thread of a CPU that takes 30 % less time at
    8192 points, 7 % at 2048, 12 % at 256 and 22 % at 64, medians of alternating calls.
    """

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.in_projection = head.in_projection.to_plain()
        self.first = nn.ModuleList(block.first.to_plain() for block in head.blocks)
        self.out_projection = head.out_projection.to_plain()
        due = torch.zeros_like(self.in_projection.bias)
        for index, block in enumerate(head.blocks):
            inject, second = block.inject.to_plain(), block.second.to_plain()
            self.register_buffer(f"inject{index}", inject.weight.detach().T.contiguous())
            self.register_buffer(f"second{index}", second.weight.detach().T.contiguous())
            due = (due + inject.bias).detach()
            self.register_buffer(f"due{index}", due)
            due = (due + second.bias).detach()
        self.register_buffer("due", due)

    def forward(self, features: Tensor) -> Tensor:
        """(..., C) -> (..., C_out)."""
        c = self.in_projection(features.flatten(0, -2)).relu_()
        h = c.new_zeros(c.shape)
        for index, first in enumerate(self.first):
            h.addmm_(c, getattr(self, f"inject{index}"))
            update = first((h + getattr(self, f"due{index}")).relu_()).relu_()
            h.addmm_(update, getattr(self, f"second{index}"))
        return self.out_projection(h + self.due).view(*features.shape[:-1], -1)
