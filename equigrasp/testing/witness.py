"""Other libraries as witnesses: do escnn and e2cnn know the same steerable kernels?

    from equigrasp.testing import testify
    for testimony in testify(equigrasp.load_model("equiigd_pile", frozen=False)):
        print(testimony)

The kernel bases of a model were computed once and travel with its weights. Here both libraries
compute them anew, on this machine: every basis has to span the same space, their own layers have to
give the same output, and the filter of every steerable layer has to be a combination of their
kernels. e2cnn shares no code of kernels with escnn, but it knows planes alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from equigrasp.nn.fields import FieldType
from equigrasp.nn.kernel_basis import POINT, BasisBank
from equigrasp.nn.steerable import SteerableConv, SteerableLinear, SteerableMap
from equigrasp.testing.witness_layers import (
    CUTOFFS,
    LIBRARIES,
    RANK,
    Signature,
    their_kernels,
    their_layer,
    their_weights,
    witness,
)

LIMIT = 1e-4
"""Largest relative difference: both libraries sample their kernels in single precision."""


class Testimony(NamedTuple):
    """What one library says.

    Attributes:
        library: its name.
        subject: a basis, or the name of a layer.
        error: largest difference, relative to the largest entry.
        covered: whether the library knows such kernels at all; e2cnn knows planes alone.
    """

    library: str
    subject: str
    error: float
    covered: bool = True

    @property
    def agrees(self) -> bool:
        """Whether the library knows better than to agree, or does agree to rounding."""
        return not self.covered or self.error <= LIMIT


def testify(
    model: nn.Module,
    libraries: Iterable[str] = LIBRARIES,  # noqa: PT028
) -> list[Testimony]:
    """What the libraries say about the kernel bases and the steerable layers of a model.

    Args:
        model: not frozen (`load_model(..., frozen=False)`).
        libraries: of `LIBRARIES`.

    Raises:
        ImportError: a library is not installed or not usable; the message names the remedy.
        ValueError: an unknown library, or a model without steerable layers.
    """
    layers = {n: m for n, m in model.named_modules() if isinstance(m, SteerableMap)}
    if not layers:
        raise ValueError(
            f"{type(model).__name__} has no steerable layers to compare; give an equivariant model "
            "that is not frozen: load_model(..., frozen=False)"
        )
    found: list[Testimony] = []
    for library in libraries:
        witness(library)
        found += [_about_basis(library, *each) for each in _distinct(layers.values())]
        found += [_about_layer(library, name, layer) for name, layer in layers.items()]
    return found


def signatures(layer: SteerableMap) -> list[tuple[Signature, Tensor]]:
    """The kernel bases (K, size_out, size_in, *kernel) that a layer combines."""
    return [
        (
            Signature(layer.source.group, source, target, layer.kernel_size, layer.ndim),
            getattr(layer, f"basis_{source}_{target}"),
        )
        for target, _, _ in layer.target.blocks()
        for source, _, _ in layer.source.blocks()
    ]


def _distinct(layers: Iterable[SteerableMap]) -> list[tuple[Signature, Tensor]]:
    """Every basis once; layers have copies of their own, of which all that differ are returned."""
    known: dict[Signature, list[Tensor]] = {}
    for layer in layers:
        for signature, basis in signatures(layer):
            copies = known.setdefault(signature, [])
            if not any(torch.equal(basis, copy) for copy in copies):
                copies.append(basis)
    return [(signature, basis) for signature in sorted(known) for basis in known[signature]]


def _about_basis(library: str, signature: Signature, basis: Tensor) -> Testimony:
    """Whether ours and theirs span one space, and their layer gives what ours gives."""
    subject = f"basis {signature}"
    if their_kernels(library, signature) is None:
        return Testimony(library, subject, 0.0, covered=False)
    first = _directions(basis.detach().cpu().double())
    choices = (_directions(their_kernels(library, signature, cutoff)) for cutoff in CUTOFFS)
    second = next((each for each in choices if len(each) == len(first)), None)
    if second is None:
        return Testimony(library, subject, 1.0)
    if not len(first):
        return Testimony(library, subject, 0.0)
    apart = float((first - first @ second.T @ second).abs().max())
    return Testimony(library, subject, max(apart, _outputs_apart(library, signature, basis)))


def _directions(kernels: Tensor) -> Tensor:
    """Orthonormal rows that span the same space as kernels (K, ...), which may be none."""
    if not len(kernels):
        return kernels.reshape(0, 0)
    _, sizes, rows = torch.linalg.svd(kernels.flatten(1), full_matrices=False)
    return rows[sizes > RANK * sizes[0]]


def _outputs_apart(library: str, signature: Signature, basis: Tensor) -> float:
    """Difference of a library's layer to ours with one filter, on the same random features."""
    ends = [FieldType(signature.group, **{kind: 1}) for kind in signature[1:3]]
    bank = BasisBank({".".join(map(str, signature)): basis.detach().cpu()})
    size, ndim = signature.kernel_size, signature.ndim
    point = size == POINT
    ours: SteerableMap = (
        SteerableLinear(*ends, bank, bias=False)
        if point
        else SteerableConv(*ends, size, bank, bias=False, ndim=ndim)
    )
    generator = torch.Generator().manual_seed(0)
    theirs, source = their_layer(library, signature)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
        theirs.weights.copy_(their_weights(library, signature, ours.filter().double()))
        x = torch.randn(2, ends[0].channels, *([] if point else [6] * ndim), generator=generator)
        given = x.permute(0, 1, 4, 2, 3) if x.dim() == 5 else x
        if point and library == "e2cnn":
            given = x[..., None, None]
        found = theirs(witness(library)[1].GeometricTensor(given, source)).tensor
        found = found.permute(0, 1, 3, 4, 2) if found.dim() == 5 else found
        expected = ours(x)
        apart = (found.reshape(expected.shape) - expected).abs().max()
    return float(apart / expected.abs().max().clamp(min=1e-12))


def _about_layer(library: str, name: str, layer: SteerableMap) -> Testimony:
    """How far the filter of a layer is from the nearest combination of a library's kernels."""
    subject, errors = f"layer {name}", []
    filter_ = layer.filter().detach().cpu().double()
    largest, row = float(filter_.abs().max()) or 1.0, 0
    for target, n_out, size_out in layer.target.blocks():
        column = 0
        for source, n_in, size_in in layer.source.blocks():
            key = Signature(layer.source.group, source, target, layer.kernel_size, layer.ndim)
            theirs = their_kernels(library, key)
            if theirs is None:
                return Testimony(library, subject, 0.0, covered=False)
            block = filter_[row : row + n_out * size_out, column : column + n_in * size_in]
            block = block.reshape(n_out, size_out, n_in, size_in, -1).transpose(1, 2)
            errors.append(_beyond(block.reshape(n_out * n_in, -1), theirs) / largest)
            column += n_in * size_in
        row += n_out * size_out
    return Testimony(library, subject, max(errors))


def _beyond(filters: Tensor, kernels: Tensor) -> float:
    """Largest entry of what no combination of kernels gives of filters (n, size)."""
    if not len(kernels):
        return float(filters.abs().max())
    directions = _directions(kernels)
    return float((filters - filters @ directions.T @ directions).abs().max())


def summary(found: Sequence[Testimony]) -> str:
    """One sentence on what one or several libraries said."""
    covered = [each for each in found if each.covered]
    kinds = {word: sum(e.subject.startswith(word) for e in covered) for word in ("basis", "layer")}
    worst = max(covered, key=lambda each: each.error, default=None)
    if worst is None:
        return "knows none of the kernels"
    left = len(found) - len(covered)
    beyond = f"; {left} in three dimensions it does not know" if left else ""
    return (
        f"{kinds['basis']} bases and {kinds['layer']} layers, largest difference "
        f"{worst.error:.1e} ({worst.subject}), limit {LIMIT:.0e}{beyond}"
    )
