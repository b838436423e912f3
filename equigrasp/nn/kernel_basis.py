"""Kernels that commute with the group: bases of steerable filters, and the bank that holds them.

Every representation here is a signed permutation, so the sum of a unit kernel's images under the
group is either zero or shares its support with no other but its own images; these sums, each taken
once, are an orthogonal basis of all steerable kernels ("orbits"). escnn samples harmonics up to a
frequency: with ours ("all") it spans the same, but for the map from the volume, where it gives 25
kernels of rank 23 and 27 are independent; with its own ("escnn") it leaves some out, as published
networks do. This is the only module that imports escnn.
"""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from equigrasp.nn.fields import ORDER, representation
from equigrasp.optional import remedy

POINT = 0
"""Kernel size that stands for a linear map without any spatial axes."""
KERNELS = ("all", "escnn", "orbits")
"""Which kernels, and who computes them; see the module."""

DUST = 1e-6
"""Entries of kernels that are smaller are rounding errors of zero."""
FREQUENCIES = 4.0
"""Angular frequency cutoff per unit radius. escnn's default keeps 24 of the 36 independent 3x3
kernels between two regular C4 fields; this one keeps all, at the same cost per convolution."""


class BasisBank:
    """Kernel bases by name, computed on first use unless they were given.

    Args:
        tensors: known bases, as returned by `tensors()` of another bank.
        complete: whether these are all there are, as those of a saved model: one that is missing
            or not steerable is then refused.
    """

    def __init__(
        self, tensors: Mapping[str, Tensor] | None = None, *, complete: bool = False
    ) -> None:
        self._known, self._complete = dict(tensors or {}), complete
        self._kernels = "all"

    def of_kernels(self, kernels: str) -> BasisBank:
        """A view of this bank that gives other kernels; what it computes is in both.

        Args:
            kernels: of `KERNELS`.

        Raises:
            ValueError: none of them.
        """
        if kernels not in KERNELS:
            raise ValueError(f"kernels is {kernels!r}; use one of {', '.join(KERNELS)}")
        view = BasisBank(complete=self._complete)
        view._known, view._kernels = self._known, kernels
        return view

    def get(
        self, group: str, kind_in: str, kind_out: str, kernel_size: int, ndim: int = 2
    ) -> Tensor:
        """Basis ``(K, size_out, size_in, *kernel)``; no kernel axes for `kernel_size` POINT.

        Raises:
            ValueError: a complete bank lacks it, or holds something else under its name.
        """
        key = f"{group}.{kind_in}.{kind_out}.{kernel_size}.{ndim}"
        key += "" if self._kernels == "all" else f".{self._kernels}"
        if self._complete:
            self._check(
                key, group, kind_in, kind_out, (kernel_size,) * (ndim if kernel_size else 0)
            )
        if key not in self._known:
            self._known[key] = compute_basis(
                group, kind_in, kind_out, kernel_size, ndim, self._kernels
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


def model_bank(bank: BasisBank | None, layers: Mapping[str, Any]) -> BasisBank:
    """A model's bank, new unless given: it does without escnn where `layers` ask for "orbits"."""
    bank = BasisBank() if bank is None else bank
    return bank.of_kernels("orbits") if layers.get("kernels") == "orbits" else bank


@cache
def compute_basis(
    group: str,
    kind_in: str,
    kind_out: str,
    kernel_size: int,
    ndim: int,
    kernels: str = "all",
) -> Tensor:
    """The kernels that intertwine two single fields.

    Returns ``(K, size_out, size_in, *kernel)`` in float32, kernel axes ordered as the tensors'
    (x, y), (horizontal, z) or (x, y, z).

    Raises:
        RuntimeError: escnn is asked and unusable (numpy 2), or its conventions differ from ours.
    """
    size_out, size_in = (representation(group, kind).shape[0] for kind in (kind_out, kind_in))
    kernel = (kernel_size,) * (ndim if kernel_size else 0)
    if kernels == "orbits":
        return _orbit_sums((size_out, size_in, *kernel), group, kind_in, kind_out)
    # escnn samples the kernels with rounding errors of 1e-7; averaging over the group in float64
    # makes every kernel exactly steerable, so that models are equivariant in either precision.
    cutoff = FREQUENCIES if kernels == "all" else None
    found = _escnn_kernels(group, kind_in, kind_out, kernel_size, ndim, cutoff)
    raw = found.reshape(len(found), size_out, size_in, *kernel).double()
    if ndim == 3:  # escnn orders the axes (z, y, x) with y and x as in an image
        raw = raw.permute(0, 1, 2, 4, 5, 3)
    exact = symmetrise(raw, group, kind_in, kind_out)
    if raw.numel() and (exact - raw).abs().max() > 1e-5:
        raise RuntimeError(
            f"escnn's basis for {kind_in} -> {kind_out} under {group} does not follow our "
            f"conventions (off by {(exact - raw).abs().max():.1e}); install escnn==1.0.11"
        )
    return (signed(exact) if ndim == 3 else exact).float().contiguous()


def signed(kernels: Tensor) -> Tensor:
    """Kernels ``(K, ...)`` without `DUST`, with signs such that the first of each one's largest
    entries is positive.

    Those of kernels of volumes escnn draws at random when it is first used after its installation,
    and keeps them on disk: equal coefficients would be other networks in another environment.
    """
    kernels = torch.where(kernels.abs() < DUST, 0.0, kernels)
    flat = kernels.flatten(1)
    largest = flat.abs() > 0.999 * flat.abs().amax(1, keepdim=True)
    first = flat.gather(1, largest.int().argmax(1, keepdim=True))
    return kernels * first.sign().reshape(-1, *(1,) * (kernels.dim() - 1)) + 0.0  # no -0.0


def _orbit_sums(shape: tuple[int, ...], group: str, kind_in: str, kind_out: str) -> Tensor:
    """Normalised sums of the orbits of all unit kernels of a shape, in order of their supports."""
    unit = torch.eye(math.prod(shape), dtype=torch.float64)
    sums = symmetrise(unit.reshape(-1, *shape), group, kind_in, kind_out).flatten(1)
    # Unit kernels of one orbit have the same sum, up to a sign. It belongs to the first of them.
    first = (sums != 0).int().argmax(1)
    kept = sums[(first == torch.arange(len(sums))) & (sums != 0).any(1)]
    return (kept / kept.norm(dim=1, keepdim=True)).reshape(-1, *shape).float()


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
                f"escnn cannot be imported ({error}), most often because numpy is 2 or newer; "
                f"`{remedy('escnn')}`. Frozen models do not need it, nor do trainable ones with "
                "model.layers.kernels=orbits."
            ) from error
    return gspaces, enn
