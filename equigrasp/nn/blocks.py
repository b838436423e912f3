"""Blocks of the planar UNets: normalisation and pairs of convolutions.

Feature maps are means over mostly empty space and would shrink from layer to layer; normalising
over whole orbits keeps them at unit scale without touching the symmetry.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.nn.deform import DeformableConv
from equigrasp.nn.fields import ORDER, FieldType, over_orbit
from equigrasp.nn.kernel_basis import BasisBank
from equigrasp.nn.steerable import convolution

NORMS = ("group", "none", "nowhere")
"""Group normalisation everywhere, not inside the UNets, or nowhere."""


class FieldNorm(nn.Module):
    """Group normalisation of regular fields; statistics and scale are shared over each orbit.

    Args:
        field: type of regular fields only (scalars where there is no symmetry).
        groups: number of groups of whole fields; lowered to a divisor of the number of fields.
    """

    def __init__(self, field: FieldType, groups: int = 4) -> None:
        super().__init__()
        fields = field.trivial if field.group == "C1" else field.regular
        if fields * ORDER[field.group] != field.channels:
            raise ValueError(f"FieldNorm takes regular fields only, not {field}")
        self.group = field.group
        self.groups = next(g for g in range(min(groups, fields), 0, -1) if fields % g == 0)
        self.scale = nn.Parameter(torch.ones(fields))
        self.shift = nn.Parameter(torch.zeros(fields))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised fields (B, C, ...) of the same type."""
        scale, shift = (over_orbit(p, self.group) for p in (self.scale, self.shift))
        return F.group_norm(x, self.groups, scale, shift)

    def to_plain(self) -> nn.Module:
        """Ordinary group normalisation with the same output."""
        plain = nn.GroupNorm(self.groups, len(self.scale) * ORDER[self.group])
        plain.weight = nn.Parameter(over_orbit(self.scale.detach(), self.group))
        plain.bias = nn.Parameter(over_orbit(self.shift.detach(), self.group))
        return plain


class ConvNorm(nn.Sequential):
    """3x3 convolution, possibly deformable, then normalisation; no nonlinearity."""

    def __init__(
        self,
        source: FieldType,
        target: FieldType,
        bank: BasisBank,
        *,
        deform: str = "none",
        norm: str = "group",
        gain: float = 2.0,
    ) -> None:
        bias = norm != "group"
        if deform == "none":
            conv = convolution(source, target, 3, bank, bias=bias, gain=gain)
        else:
            conv = DeformableConv(source, target, bank, deform, bias=bias, gain=gain)
        if norm not in NORMS:
            raise ValueError(f"norm is {norm!r}; use one of {NORMS}")
        super().__init__(*([conv] if bias else [conv, FieldNorm(target)]))


class ResidualBlock(nn.Module):
    """Three convolutions with a skip from the first; used on the table plane."""

    def __init__(self, source: FieldType, target: FieldType, bank: BasisBank, **options) -> None:
        super().__init__()
        self.first = ConvNorm(source, target, bank, **options)
        self.second = ConvNorm(target, target, bank, **options)
        self.third = ConvNorm(target, target, bank, **options)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, N, N) of type `source` -> (B, C', N, N) of type `target`."""
        skip = F.relu(self.first(x))
        return F.relu(self.third(F.relu(self.second(skip))) + skip)


class DoubleConv(nn.Module):
    """Two convolutions, each rectified; used on the side planes."""

    def __init__(self, source: FieldType, target: FieldType, bank: BasisBank, **options) -> None:
        super().__init__()
        self.first = ConvNorm(source, target, bank, **options)
        self.second = ConvNorm(target, target, bank, **options)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, N, N) of type `source` -> (B, C', N, N) of type `target`."""
        return F.relu(self.second(F.relu(self.first(x))))


class UpConv(nn.Module):
    """Double the resolution bilinearly, then convolve; exact, with corners aligned or not."""

    def __init__(
        self,
        source: FieldType,
        target: FieldType,
        bank: BasisBank,
        norm: str,
        corners: bool = False,
    ) -> None:
        super().__init__()
        self.conv, self.corners = ConvNorm(source, target, bank, norm=norm), corners

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, N, N) of type `source` -> (B, C', 2N, 2N) of type `target`."""
        up = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=self.corners)
        return F.relu(self.conv(up))


class TransposedUp(nn.Module):
    """2x2 transposed convolution of the published side network; not equivariant."""

    def __init__(self, source: FieldType, target: FieldType) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(source.channels, target.channels, 2, stride=2)
        nn.init.normal_(self.conv.weight, std=(2.0 / source.channels) ** 0.5)
        nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, N, N) -> (B, C', 2N, 2N)."""
        return self.conv(x)
