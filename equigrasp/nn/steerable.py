"""Steerable convolutions and linear maps; the only module that imports escnn.

A steerable filter is a linear combination of basis kernels that commute with the group. escnn
supplies the basis; the layers here keep the coefficients as parameters and expand the filter with
plain torch, so nothing but their construction needs escnn. `BasisBank` lets a saved model bring
its basis along, which makes loading independent of escnn (and of its version).
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.nn.fields import ORDER, FieldType, over_orbit, representation
from equigrasp.nn.volume import VolumeConv

POINT = 0
"""Kernel size that stands for a linear map without any spatial axes."""

FREQUENCIES = 4.0
"""Angular frequency cutoff per unit radius. escnn's default keeps 24 of the 36 independent 3x3
kernels between two regular C4 fields; this one keeps all, at the same cost per convolution."""


class BasisBank:
    """Kernel bases by name, computed by escnn on first use unless they were given.

    Args:
        tensors: known bases, as returned by `tensors()` of another bank.
        complete: whether these are all there are, as those of a saved model: one that is missing
            or not steerable is then refused.
    """

    def __init__(
        self, tensors: Mapping[str, Tensor] | None = None, *, complete: bool = False
    ) -> None:
        self._known, self._complete = dict(tensors or {}), complete
        self._published = False

    def of_kernels(self, kernels: str) -> BasisBank:
        """This bank, or a view of it for layers with the kernels that escnn takes by default.

        Args:
            kernels: "all" or "escnn", see `equigrasp.nn.layers`.
        """
        view = BasisBank(complete=self._complete)
        view._known, view._published = self._known, kernels == "escnn"
        return view

    def get(
        self, group: str, kind_in: str, kind_out: str, kernel_size: int, ndim: int = 2
    ) -> Tensor:
        """Basis ``(K, size_out, size_in, *kernel)``; no kernel axes for `kernel_size` POINT.

        Raises:
            ValueError: a complete bank lacks it, or holds something else under its name.
        """
        key = f"{group}.{kind_in}.{kind_out}.{kernel_size}.{ndim}"
        key += ".escnn" if self._published else ""
        if self._complete:
            self._check(
                key, group, kind_in, kind_out, (kernel_size,) * (ndim if kernel_size else 0)
            )
        if key not in self._known:
            self._known[key] = compute_basis(
                group, kind_in, kind_out, kernel_size, ndim, published=self._published
            )
        return self._known[key]

    def _check(
        self, key: str, group: str, kind_in: str, kind_out: str, kernel: tuple[int, ...]
    ) -> None:
        if key not in self._known:
            raise ValueError(f"the kernel basis {key} is missing; the file is not complete")
        basis = self._known[key].double()
        sizes = (representation(group, kind).shape[0] for kind in (kind_out, kind_in))
        if basis.numel() and tuple(basis.shape[1:]) != (*sizes, *kernel):
            raise ValueError(f"the kernel basis {key} has shape {tuple(basis.shape)}")
        off = (symmetrise(basis, group, kind_in, kind_out) - basis).abs()
        if basis.numel() and off.max() > 1e-3 * basis.abs().max():
            raise ValueError(f"the kernel basis {key} is not steerable; the file is damaged")

    def tensors(self) -> dict[str, Tensor]:
        """All bases asked for so far (or given), by name."""
        return dict(self._known)


@cache
def compute_basis(
    group: str,
    kind_in: str,
    kind_out: str,
    kernel_size: int,
    ndim: int,
    *,
    published: bool = False,
) -> Tensor:
    """Ask escnn for the kernels that intertwine two single fields: all, or its own choice.

    Returns ``(K, size_out, size_in, *kernel)`` in float32, kernel axes ordered as the tensors'
    (x, y), (horizontal, z) or (x, y, z). escnn samples the kernels with rounding errors of 1e-7;
    averaging over the group in float64 makes every kernel exactly steerable, so that models are
    equivariant to rounding in either precision.

    Raises:
        RuntimeError: escnn is unusable (numpy 2), or its conventions differ from ours.
    """
    size_out, size_in = (representation(group, kind).shape[0] for kind in (kind_out, kind_in))
    kernel = (kernel_size,) * (ndim if kernel_size else 0)
    kernels = _escnn_kernels(
        group, kind_in, kind_out, kernel_size, ndim, None if published else FREQUENCIES
    )
    raw = kernels.reshape(len(kernels), size_out, size_in, *kernel).double()
    if ndim == 3:  # escnn orders the axes (z, y, x) with y and x as in an image
        raw = raw.permute(0, 1, 2, 4, 5, 3)
    exact = symmetrise(raw, group, kind_in, kind_out)
    if raw.numel() and (exact - raw).abs().max() > 1e-5:
        raise RuntimeError(
            f"escnn's basis for {kind_in} -> {kind_out} under {group} does not follow our "
            f"conventions (off by {(exact - raw).abs().max():.1e}); install escnn==1.0.11"
        )
    return exact.float().contiguous()


def symmetrise(kernels: Tensor, group: str, kind_in: str, kind_out: str) -> Tensor:
    """Average kernels ``(K, out, in, *kernel)`` over the group, which makes them steerable."""
    out, inn = representation(group, kind_out), representation(group, kind_in)
    total, moved = torch.zeros_like(kernels), kernels
    for _ in range(ORDER[group]):
        total = total + moved
        if kernels.dim() > 3 and group != "C1":
            moved = torch.rot90(moved, 1, (3, 4)) if group == "C4" else moved.flip(3)
        moved = torch.einsum("oa,kab...,ib->koi...", out, moved, inn)
    return total / ORDER[group]


def _escnn_kernels(
    group: str, kind_in: str, kind_out: str, kernel_size: int, ndim: int, cutoff: float | None
) -> Tensor:
    """Expand every coefficient of one escnn layer between two single fields: ``(K, ...)``."""
    with contextlib.redirect_stdout(io.StringIO()):  # escnn prints a notice about empty bases
        try:
            layer = _escnn_layer(group, kind_in, kind_out, kernel_size, ndim, cutoff)
        except ValueError as error:
            if "basis for the steerable filter is empty" not in str(error):
                raise
            return torch.zeros(0)
    kernels = []
    with torch.no_grad():
        for index in range(layer.weights.numel()):
            layer.weights.zero_()
            layer.weights[index] = 1.0
            kernels.append(layer.expand_parameters()[0].clone())
    return torch.stack(kernels) if kernels else torch.zeros(0)


def _escnn_layer(
    group: str, kind_in: str, kind_out: str, kernel_size: int, ndim: int, cutoff: float | None
) -> nn.Module:
    """One escnn layer between two single fields, without bias."""
    gspaces, enn = _import_escnn()
    if kernel_size == POINT:
        space = gspaces.no_base_space(_escnn_plane(gspaces, group, 2).fibergroup)
    else:
        space = _escnn_plane(gspaces, group, ndim)
    fiber = space.fibergroup
    reprs = {
        "regular": fiber.regular_representation,
        "vector": fiber.irrep(1),
        "trivial": fiber.trivial_representation,
    }
    types = [enn.FieldType(space, [reprs[kind]]) for kind in (kind_in, kind_out)]
    if kernel_size == POINT:
        return enn.Linear(*types, bias=False, initialize=False)
    conv = enn.R3Conv if ndim == 3 else enn.R2Conv
    return conv(
        *types,
        kernel_size=kernel_size,
        bias=False,
        initialize=False,
        frequencies_cutoff=cutoff,
    )


def _escnn_plane(gspaces: ModuleType, group: str, ndim: int) -> Any:
    if group == "C4":
        return gspaces.rot2dOnR3(4) if ndim == 3 else gspaces.rot2dOnR2(4)
    return gspaces.flip2dOnR2(axis=0.0)


def _import_escnn() -> tuple[ModuleType, ModuleType]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # notices about optional packages we never use
        try:
            from escnn import gspaces
            from escnn import nn as enn
        except ImportError as error:
            raise RuntimeError(
                "escnn cannot be imported, most often because numpy is 2 or newer; "
                "`pip install 'numpy<2' escnn==1.0.11`. Frozen models do not need it."
            ) from error
    return gspaces, enn


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
