"""Which of several candidates to trust: the one that has most others near it.

A denoiser that is torn between several goals leaves candidates at all of them, and a few in
between; their mean would be none of the goals.
"""

from __future__ import annotations

import torch
from torch import Tensor

from equigrasp.geometry.rotations import geodesic_distance

BANDWIDTH = 0.03
"""Candidates closer than about this (m) speak for each other."""
TURN = 0.3
"""Candidates turned by less than about this (rad) speak for each other."""


def most_supported(candidates: Tensor) -> Tensor:
    """Of candidates (B, S, 3) in metres, the one with the most others near it: (B, 3)."""
    gaps = torch.cdist(candidates, candidates)
    support = torch.exp(-0.5 * (gaps / BANDWIDTH) ** 2).sum(-1)
    best = support.argmax(-1)
    return candidates[torch.arange(len(candidates), device=candidates.device), best]


def most_supported_pose(position: Tensor, rotation: Tensor) -> Tensor:
    """Of S candidates, the number (B,) of the one with the most others near it in both respects.

    Args:
        position: (B, S, 3) metres.
        rotation: (B, S, 3, 3).
    """
    gap = torch.cdist(position, position) / BANDWIDTH
    turn = geodesic_distance(rotation.unsqueeze(1), rotation.unsqueeze(2)) / TURN
    return torch.exp(-0.5 * (gap.square() + turn.square())).sum(-1).argmax(-1)
