"""The sample side of the rotation model: a small network run once per noised rotation.

Everything that depends on the scene alone is computed once per grasp point (`VelocityContext`);
per noised rotation there remain a few narrow layers, modulated by that context and by the time.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.diffusion.modulation import modulate, sinusoidal_embedding
from equigrasp.nn.fields import FieldType, over_orbit
from equigrasp.nn.kernel_basis import BasisBank
from equigrasp.nn.steerable import SteerableLinear

_TIME = 16


class VelocityContext(NamedTuple):
    """Modulation of each block by a grasp point: scale (P, blocks, F), shift (P, blocks, 4 F)."""

    scale: Tensor
    shift: Tensor


class VelocityNet(nn.Module):
    """Velocity of M noised rotations at each of P grasp points.

    Args:
        source: type of a grasp point's feature.
        state: type in which a noised rotation enters.
        target: type of the velocity.
        bank: where bases come from.
        fields: regular fields of the hidden layers.
        blocks: modulated residual blocks.
    """

    def __init__(
        self,
        source: FieldType,
        state: FieldType,
        target: FieldType,
        bank: BasisBank,
        *,
        fields: int = 16,
        blocks: int = 3,
    ) -> None:
        super().__init__()
        hidden = FieldType("C4", regular=fields)
        wide = FieldType("C4", regular=2 * fields)
        self.fields, self.count = fields, blocks
        self.context = nn.Sequential(SteerableLinear(source, wide, bank, gain=2.0), nn.ReLU())
        self.scale = SteerableLinear(wide, FieldType("C4", trivial=fields * blocks), bank, gain=0.3)
        self.shift = SteerableLinear(wide, FieldType("C4", regular=fields * blocks), bank)
        with_time = FieldType("C4", regular=state.regular, trivial=_TIME)
        self.in_projection = SteerableLinear(with_time, hidden, bank, gain=2.0)
        self.first = nn.ModuleList(SteerableLinear(hidden, hidden, bank) for _ in range(blocks))
        self.second = nn.ModuleList(
            SteerableLinear(hidden, hidden, bank, gain=2.0 / blocks) for _ in range(blocks)
        )
        self.out_projection = SteerableLinear(hidden, target, bank, gain=0.1)

    def condition(self, features: Tensor) -> VelocityContext:
        """Context of grasp points with features (P, C); runs once per point."""
        wide = self.context(features)
        scale = 1 + self.scale(wide).unflatten(-1, (self.count, self.fields))
        return VelocityContext(scale, self.shift(wide).unflatten(-1, (self.count, -1)))

    def forward(self, context: VelocityContext, state: Tensor, time: Tensor) -> Tensor:
        """Velocities (P, M, target.channels) of states (P, M, state.channels) at times (P, M)."""
        clock = sinusoidal_embedding(time, _TIME)
        h = self.in_projection(torch.cat([state, clock.to(state.dtype)], -1))
        for index, (first, second) in enumerate(zip(self.first, self.second, strict=True)):
            scale = over_orbit(context.scale[:, None, index])  # of all M samples of a point
            h = h + second(F.relu(modulate(first(h), scale, context.shift[:, None, index])))
        return self.out_projection(h)
