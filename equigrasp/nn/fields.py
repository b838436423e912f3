"""Types of feature fields on the planes, and how the workspace symmetry acts on them.

A field type says how channels mix when the scene turns. Three groups occur:

* ``C4``: quarter turns of the table plane; tensors ``(B, channels, x, y)``.
* ``C2``: the mirror of a side plane's horizontal axis; tensors ``(B, channels, horizontal, z)``.
* ``C1``: no symmetry; used by the ordinary side network kept for comparison.

Channels are laid out as all regular fields, then all vectors, then all scalars. A regular field
has one channel per group element, the group index running fastest.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

ORDER = {"C1": 1, "C2": 2, "C4": 4}
"""Number of elements of each group."""

VECTOR_SIZE = {"C1": 1, "C2": 1, "C4": 2}
"""Channels of a vector field: a horizontal vector for C4, its odd component for C2."""


@dataclass(frozen=True)
class FieldType:
    """Numbers of regular, vector and scalar (trivial) fields under one group."""

    group: str
    regular: int = 0
    vector: int = 0
    trivial: int = 0

    def __post_init__(self) -> None:
        if self.group not in ORDER:
            raise ValueError(f"group is {self.group!r}; known groups are {sorted(ORDER)}")
        if min(self.regular, self.vector, self.trivial) < 0 or self.channels == 0:
            raise ValueError(f"{self} needs non-negative counts and at least one field")

    @property
    def channels(self) -> int:
        """Total number of channels."""
        return sum(count * size for _, count, size in self.blocks())

    def blocks(self) -> list[tuple[str, int, int]]:
        """Non-empty runs of equal fields: (kind, number of fields, channels per field)."""
        sizes = {"regular": ORDER[self.group], "vector": VECTOR_SIZE[self.group], "trivial": 1}
        return [
            (kind, getattr(self, kind), size) for kind, size in sizes.items() if getattr(self, kind)
        ]


def representation(group: str, kind: str) -> Tensor:
    """Matrix (size, size), float64, by which the generator acts on one field of this kind.

    The generator is the quarter turn (x, y) -> (-y, x) for C4 and the mirror for C2.
    """
    if kind == "trivial" or group == "C1":
        return torch.eye(1, dtype=torch.float64)
    if kind == "regular":
        return torch.roll(torch.eye(ORDER[group], dtype=torch.float64), 1, dims=0)
    if group == "C2":
        return -torch.eye(1, dtype=torch.float64)
    return torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)


def act_on_channels(x: Tensor, field: FieldType, power: int, dim: int = 1) -> Tensor:
    """Apply a power of the generator to the channel axis `dim`, leaving positions alone."""
    parts = []
    for piece, (kind, count, size) in zip(_split(x, field, dim), field.blocks(), strict=True):
        matrix = torch.matrix_power(representation(field.group, kind), power % ORDER[field.group])
        fields = piece.unflatten(dim, (count, size)).movedim(dim + 1, -1)
        moved = fields @ matrix.to(x).T
        parts.append(moved.movedim(-1, dim + 1).flatten(dim, dim + 1))
    return torch.cat(parts, dim)


def act_on_plane(x: Tensor, field: FieldType, power: int = 1) -> Tensor:
    """Transform a plane ``(B, channels, first, second)`` by a power of the group's generator."""
    moved = act_on_channels(x, field, power)
    if field.group == "C4":
        return torch.rot90(moved, power, (2, 3))
    return moved.flip(2) if field.group == "C2" and power % 2 else moved


def _split(x: Tensor, field: FieldType, dim: int) -> tuple[Tensor, ...]:
    if x.shape[dim] != field.channels:
        raise ValueError(f"axis {dim} has {x.shape[dim]} channels but {field} has {field.channels}")
    return torch.split(x, [count * size for _, count, size in field.blocks()], dim)
