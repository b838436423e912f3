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


def over_orbit(x: Tensor, group: str = "C4") -> Tensor:
    """One value per regular field to all channels of that field: (..., F) -> (..., F * order)."""
    return x.repeat_interleave(ORDER[group], -1)
