"""Steerable layers of other libraries, built between two fields: escnn's and e2cnn's own."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from functools import lru_cache
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from equigrasp.nn.kernel_basis import FREQUENCIES, POINT
from equigrasp.optional import remedy

LIBRARIES = ("escnn", "e2cnn")
"""Witnesses: libraries that know steerable layers of their own."""
COMPLETE = 6.0
"""Cutoff of angular frequencies from which on the libraries know every 3x3 and 3x3x3 kernel."""
CUTOFFS = (COMPLETE, FREQUENCIES, None)
"""Cutoffs that models are built with: all kernels, those in use, a library's own choice."""
CENTRED = 3
"""Size of the kernels whose middles stand for point-wise maps."""
RANK = 1e-4
"""Kernels that are combinations of others to within this share of the largest add no dimension."""


class Signature(NamedTuple):
    """What decides a kernel basis: group, fields at both ends, kernel size, spatial axes."""

    group: str
    source: str
    target: str
    kernel_size: int
    ndim: int

    def __str__(self) -> str:
        point, sides = self.kernel_size == POINT, [str(self.kernel_size)] * self.ndim
        shape = "point" if point else "x".join(sides)
        return f"{self.group} {self.source} -> {self.target}, {shape}"


def witness(library: str) -> tuple[ModuleType, ModuleType]:
    """The modules of groups and of layers of a library.

    Raises:
        ImportError, ValueError: see `testify`.
    """
    if library not in LIBRARIES:
        raise ValueError(f"no witness is called '{library}'; choose one of {', '.join(LIBRARIES)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both date from 2023, and tell of optional packages
        try:
            return tuple(importlib.import_module(f"{library}.{part}") for part in ("gspaces", "nn"))
        except ImportError as error:
            raise ImportError(
                f"the witness {library} cannot be imported ({error}): {remedy(library)}"
            ) from error


def their_layer(
    library: str, signature: Signature, cutoff: float | None = COMPLETE
) -> tuple[nn.Module, Any] | None:
    """A library's own layer between two single fields, and the type of its input.

    None where the library knows no such layer, or no kernel at all commutes with the group.
    """
    spaces, layers = witness(library)
    space = _space(library, spaces, signature)
    if space is None:
        return None
    fiber = space.fibergroup
    kinds = {
        "regular": fiber.regular_representation,
        "vector": fiber.irrep(1),
        "trivial": fiber.trivial_representation,
    }
    source, target = (
        layers.FieldType(space, [kinds[kind]]) for kind in (signature.source, signature.target)
    )
    options: dict[str, Any] = {"bias": False, "initialize": False}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        if library == "escnn" and signature.kernel_size == POINT:
            return layers.Linear(source, target, **options), source
        size = signature.kernel_size
        if library == "e2cnn" and size <= 1:  # it stumbles over bases of one kernel; the middle of
            size = CENTRED  # a wider one is the same
        options |= {"kernel_size": size, "padding": size // 2, "frequencies_cutoff": cutoff}
        conv = layers.R3Conv if signature.ndim == 3 and size > 1 else layers.R2Conv
        return conv(source, target, **options), source


def _space(library: str, spaces: ModuleType, signature: Signature) -> Any:
    """The space that a signature's fields live on; None where the library has none."""
    turns, point = signature.group == "C4", signature.kernel_size == POINT
    if library == "e2cnn":
        if signature.ndim == 3 and not point:
            return None
        return spaces.Rot2dOnR2(4) if turns else spaces.Flip2dOnR2(axis=0.0)
    plane = spaces.rot2dOnR2(4) if turns else spaces.flip2dOnR2(axis=0.0)
    if point:
        return spaces.no_base_space(plane.fibergroup)
    return spaces.rot2dOnR3(4) if signature.ndim == 3 else plane


@lru_cache(maxsize=256)
def their_kernels(
    library: str, signature: Signature, cutoff: float | None = COMPLETE
) -> Tensor | None:
    """Kernels (K, size_out, size_in, *kernel) of a library, our axes; None where it knows none.

    Args:
        library, signature: whose and which.
        cutoff: of angular frequencies; None for the library's own choice, which leaves some out.
    """
    full = _expanded(library, signature, cutoff)
    if full is None or not len(full):
        return full
    if signature.kernel_size <= 1 and full.dim() == 5:
        full = full[..., full.shape[-2] // 2, full.shape[-1] // 2]
        return full if signature.kernel_size == POINT else full[..., None, None]
    return full.permute(0, 1, 2, 4, 5, 3) if full.dim() == 6 else full


@lru_cache(maxsize=256)
def _expanded(library: str, signature: Signature, cutoff: float | None = COMPLETE) -> Tensor | None:
    """Kernels as a library's layer has them, one per weight; None where it knows no such layer."""
    try:
        made = their_layer(library, signature, cutoff)
    except ValueError as error:
        if "empty" not in str(error):
            raise
        return torch.zeros(0)
    if made is None:
        return None
    layer, kernels = made[0], []
    with torch.no_grad():
        for index in range(layer.weights.numel()):
            layer.weights.zero_()
            layer.weights[index] = 1.0
            kernels.append(layer.expand_parameters()[0].double())
    shape = kernels[0].shape[:2] if library == "escnn" and signature.kernel_size == POINT else None
    return torch.stack([k if shape is None else k.reshape(shape) for k in kernels])


def their_weights(library: str, signature: Signature, filter_: Tensor) -> Tensor:
    """Weights with which a library's layer has a filter (size_out, size_in, *kernel) of ours."""
    kernels = _expanded(library, signature)
    if kernels.dim() == 6:
        filter_ = filter_.permute(0, 1, 4, 2, 3)  # its axes are z, y, x, and ours x, y, z
    elif kernels.dim() == 5 and signature.kernel_size <= 1:
        middle = torch.zeros(kernels.shape[1:], dtype=filter_.dtype)
        row, column = (side // 2 for side in kernels.shape[-2:])
        middle[..., row, column] = filter_.reshape(kernels.shape[1:3])
        filter_ = middle
    return torch.linalg.pinv(kernels.flatten(1).T, rtol=RANK) @ filter_.flatten()
