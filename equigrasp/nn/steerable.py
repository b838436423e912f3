"""Steerable convolutions and linear maps.

A steerable filter is a linear combination of basis kernels that commute with the group
(`equigrasp.nn.kernel_basis`). The layers here keep the coefficients as parameters and expand the
filter with plain torch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.nn.fields import FieldType, over_orbit
from equigrasp.nn.kernel_basis import POINT, BasisBank
from equigrasp.nn.volume import VolumeConv


class SteerableMap(nn.Module):
    """Shared part of steerable convolutions and linear maps: coefficients and their expansion.

    Args:
        source: type of the input fields.
        target: type of the output fields; same group.
        kernel_size: odd spatial size, or POINT.
        bank: where bases come from.
        bias: learn one constant per regular or scalar output field.
        gain: output variance per unit of input power at initialisation.
        ndim: spatial axes.
    """

    def __init__(
        self,
        source: FieldType,
        target: FieldType,
        kernel_size: int,
        bank: BasisBank,
        *,
        bias: bool = True,
        gain: float = 1.0,
        ndim: int = 2,
    ) -> None:
        super().__init__()
        if source.group != target.group:
            raise ValueError(f"types of different groups: {source} and {target}")
        self.source, self.target, self.kernel_size, self.ndim = source, target, kernel_size, ndim
        self.coefficients = nn.ParameterDict()
        for kind_out, n_out, _ in target.blocks():
            for kind_in, n_in, _ in source.blocks():
                basis = bank.get(source.group, kind_in, kind_out, kernel_size, ndim)
                name = f"{kind_in}_{kind_out}"
                self.coefficients[name] = nn.Parameter(torch.zeros(n_out, n_in, len(basis)))
                self.register_buffer(f"basis_{name}", basis.clone(), persistent=False)
        free = target.regular + target.trivial
        self.bias = nn.Parameter(torch.zeros(free)) if bias and free else None
        self.reset_parameters(gain)

    def reset_parameters(self, gain: float = 1.0) -> None:
        """Draw coefficients such that unit-power inputs give outputs of variance `gain`."""
        for kind_out, _, size_out in self.target.blocks():
            for kind_in, n_in, size_in in self.source.blocks():
                name = f"{kind_in}_{kind_out}"
                energy = float(getattr(self, f"basis_{name}").pow(2).sum())
                share = n_in * size_in / self.source.channels
                spread = (gain * share * size_out / (n_in * energy)) ** 0.5 if energy else 0.0
                nn.init.normal_(self.coefficients[name], std=spread)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def filter(self) -> Tensor:
        """Expanded weight ``(channels_out, channels_in, *kernel)``."""
        kernel = (self.kernel_size,) * (self.ndim if self.kernel_size else 0)
        rows = []
        for kind_out, n_out, size_out in self.target.blocks():
            row = []
            for kind_in, n_in, size_in in self.source.blocks():
                basis = getattr(self, f"basis_{kind_in}_{kind_out}")
                block = self.coefficients[f"{kind_in}_{kind_out}"].flatten(0, 1) @ basis.flatten(1)
                block = block.view(n_out, n_in, size_out, size_in, -1).transpose(1, 2)
                row.append(block.reshape(n_out * size_out, n_in * size_in, *kernel))
            rows.append(torch.cat(row, 1) if len(row) > 1 else row[0])
        return torch.cat(rows, 0) if len(rows) > 1 else rows[0]

    def channel_bias(self) -> Tensor | None:
        """Bias ``(channels_out,)``: constant on each regular field, zero on vectors."""
        if self.bias is None:
            return None
        regular, trivial = self.bias.split([self.target.regular, self.target.trivial])
        parts = [over_orbit(regular, self.target.group)]
        vectors = self.target.channels - len(parts[0]) - len(trivial)
        return torch.cat([*parts, regular.new_zeros(vectors), trivial])

    def extra_repr(self) -> str:
        """What torch prints of the layer."""
        return f"{self.source} -> {self.target}, kernel_size={self.kernel_size}"


class SteerableConv(SteerableMap):
    """Steerable convolution, stride 1, padded to keep the size; ``(B, C, *space)``."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *space) of type `source` -> (B, C', *space) of type `target`."""
        conv = F.conv3d if self.ndim == 3 else F.conv2d
        return conv(x, self.filter(), self.channel_bias(), padding=self.kernel_size // 2)

    def to_plain(self) -> nn.Module:
        """Ordinary torch convolution with the same output."""
        filter_, bias = self.filter(), self.channel_bias()
        shape = (filter_.shape[1], filter_.shape[0], self.kernel_size)
        if self.ndim == 3:
            return _filled(VolumeConv(*shape, bias=bias is not None), filter_, bias)
        padding = self.kernel_size // 2
        return _filled(nn.Conv2d(*shape, padding=padding, bias=bias is not None), filter_, bias)


class SteerableLinear(SteerableMap):
    """Steerable linear map on the last axis; ``(..., C)``."""

    def __init__(self, source: FieldType, target: FieldType, bank: BasisBank, **options) -> None:
        super().__init__(source, target, POINT, bank, **options)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) of type `source` -> (..., C') of type `target`."""
        return F.linear(x, self.filter(), self.channel_bias())

    def to_plain(self) -> nn.Module:
        """Ordinary torch linear layer with the same output."""
        filter_, bias = self.filter(), self.channel_bias()
        return _filled(
            nn.Linear(filter_.shape[1], filter_.shape[0], bias is not None), filter_, bias
        )


def _filled(layer: nn.Module, weight: Tensor, bias: Tensor | None) -> nn.Module:
    layer.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())
    return layer


def convolution(
    source: FieldType, target: FieldType, kernel_size: int, bank: BasisBank, **options
) -> nn.Module:
    """Planar convolution between two types; an ordinary one where there is no symmetry (C1)."""
    if source.group != "C1":
        return SteerableConv(source, target, kernel_size, bank, **options)
    bias = options.get("bias", True)
    layer = nn.Conv2d(
        source.channels, target.channels, kernel_size, padding=kernel_size // 2, bias=bias
    )
    fan_in = source.channels * kernel_size**2
    nn.init.normal_(layer.weight, std=(options.get("gain", 1.0) / fan_in) ** 0.5)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer
