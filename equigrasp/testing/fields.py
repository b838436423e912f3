"""How a turn acts on feature fields, to test layers with: `layer(g x) == g layer(x)`."""

from __future__ import annotations

import torch
from torch import Tensor

from equigrasp.nn.fields import ORDER, FieldType, representation


def act_on_channels(x: Tensor, field: FieldType, power: int, dim: int = 1) -> Tensor:
    """Apply a power of the generator to the channel axis `dim`, leaving positions alone.

    Args:
        x: (..., field.channels, ...).
        field: type of the channels.
        power: how often the group's generator acts.
        dim: axis of the channels.

    Raises:
        ValueError: the axis has another number of channels than the type.
    """
    if x.shape[dim] != field.channels:
        raise ValueError(f"axis {dim} has {x.shape[dim]} channels but {field} has {field.channels}")
    pieces = torch.split(x, [count * size for _, count, size in field.blocks()], dim)
    parts = []
    for piece, (kind, count, size) in zip(pieces, field.blocks(), strict=True):
        matrix = torch.matrix_power(representation(field.group, kind), power % ORDER[field.group])
        fields = piece.unflatten(dim, (count, size)).movedim(dim + 1, -1)
        moved = fields @ matrix.to(x).T
        parts.append(moved.movedim(-1, dim + 1).flatten(dim, dim + 1))
    return torch.cat(parts, dim)


def act_on_plane(x: Tensor, field: FieldType, power: int = 1) -> Tensor:
    """Transform a plane (B, channels, first, second) by a power of the group's generator."""
    moved = act_on_channels(x, field, power)
    if field.group == "C4":
        return torch.rot90(moved, power, (2, 3))
    return moved.flip(2) if field.group == "C2" and power % 2 else moved
