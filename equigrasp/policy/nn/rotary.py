"""Rotary codes of 3-D positions: attention that depends on where things are to each other.

After "Mini Diffuser" (arXiv 2505.09430) and 3D Diffuser Actor, with queries *and* keys turned and
wavelengths that fit a workspace: between a few centimetres and the whole table, where the published
code's fastest wave is six metres long.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SHORTEST, LONGEST = 0.04, 4.0
"""Wavelengths of the fastest and the slowest turn, m."""


def frequencies(channels: int) -> Tensor:
    """Angular frequencies (rad/m) of the pairs of channels that belong to one axis.

    Raises:
        ValueError: fewer than 6 channels: one pair for each axis.
    """
    if channels < 6:
        raise ValueError(f"a head of {channels} channels has no pair for each of three axes")
    pairs = channels // 6
    shares = torch.arange(pairs, dtype=torch.float64) / max(pairs - 1, 1)
    return 2 * math.pi / (SHORTEST * (LONGEST / SHORTEST) ** shares)


def rotate_by_position(x: Tensor, positions: Tensor) -> Tensor:
    """Turn pairs of channels by angles proportional to a position.

    Scalar products of two vectors turned like this depend on the difference of their positions.
    Channels beyond the largest multiple of 6 are left as they are.

    Args:
        x: (..., N, d) queries or keys.
        positions: (..., N, 3) in metres; broadcast against x.
    """
    rates = frequencies(x.shape[-1]).to(x.device)
    # In float64: far positions make many turns, of which only the last one counts.
    angles = (positions.unsqueeze(-1).to(rates) * rates).flatten(-2)
    cos, sin = angles.cos().to(x), angles.sin().to(x)
    count = 2 * angles.shape[-1]
    turning, rest = x.split([count, x.shape[-1] - count], -1)
    even, odd = turning.unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)
    return torch.cat([turned, rest], -1) if rest.shape[-1] else turned
