"""Peaks climb: from the best lattice point to a better place nearby, and hands to the middle.

The field is continuous, the lattice is not. Slopes are taken from the field at six places around a
peak, one lattice step away on either side of each axis, never by automatic differentiation:
lattice points lie on voxel centres, where features that are interpolated linearly have kinks, and
the slope that autograd gives there is that of one side, which a turn of the scene exchanges.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from equigrasp.candidates import Candidates
from equigrasp.hand import Hand
from equigrasp.hand_boxes import folded, in_hands, openings

FIRST_STEP = 0.5
"""Length of the first step, in lattice steps; it is halved where it leads to nothing better."""
FARTHEST = 1.0
"""Peaks stay within this many lattice steps of where they began, on every axis."""
SEEN_SHARE = 0.7
"""Both contacts count as seen if the points between the pads spread over this share of the
predicted opening."""
FARTHEST_SHIFT = 0.01
"""Hands are moved to the middle by no more than this, metres."""


def climb(
    ask: Callable[[Tensor], Tensor],
    points: Tensor,
    scores: Tensor,
    *,
    spacing: float,
    steps: int,
    sigma: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Places near peaks where the quality, averaged with its surroundings, is higher.

    Args:
        ask: quality (Q,) at normalised points (Q, 3).
        points: (P, 3) peaks, normalised.
        scores: (P,) of the peaks.
        spacing: of the lattice, normalised.
        steps: how often each peak moves, or tries to.
        sigma: of the Gaussian weights of the surroundings, in lattice steps; 0 for the place alone.

    Returns:
        places (P, 3), the best of all that were visited, and the scores (P,) plus what was gained.
    """
    around = torch.cat([torch.eye(3), -torch.eye(3)]).to(points) * spacing
    weight = torch.exp(torch.tensor(-0.5 / sigma**2)).item() if sigma else 0.0

    def look(at: Tensor) -> tuple[Tensor, Tensor]:
        places = torch.cat([at[:, None], at[:, None] + around], 1)
        value = ask(places.reshape(-1, 3)).reshape(-1, 7).to(scores)
        mean = (value[:, 0] + weight * value[:, 1:].sum(1)) / (1 + 6 * weight)
        return mean, value[:, 1:4] - value[:, 4:]

    best, start = points, points
    first, slope = look(points)
    value = first
    length = torch.full_like(first, FIRST_STEP * spacing)
    for _ in range(steps):
        along = slope / slope.norm(dim=1, keepdim=True).clamp(min=torch.finfo(slope.dtype).tiny)
        move = best + length[:, None] * along - start
        tried = start + move.clamp(-FARTHEST * spacing, FARTHEST * spacing)
        other, its_slope = look(tried)
        better = other > value
        best = torch.where(better[:, None], tried, best)
        slope = torch.where(better[:, None], its_slope, slope)
        value = torch.where(better, other, value)
        length = torch.where(better, length, 0.5 * length)
    return best, (scores + value - first).clamp(max=1.0)


def off_middle(hands: Candidates, hand: Hand, points: Tensor) -> Tensor:
    """Ways (P, 3), in metres, from the hands to the middle of what is seen between their pads.

    Along the closing direction; 0 for a hand whose contacts are not both seen.

    Args:
        hands: P of them.
        hand: their boxes.
        points: (N, 3) of the observed surface of objects, metres.
    """
    if not len(points):
        return torch.zeros_like(hands.tips)
    low, high = hand.finger_box
    local = in_hands(points, hands)
    x, y, z = folded(local)
    inside = (x > low[0]) & (x < high[0]) & (z > low[2]) & (z < high[2])
    inside &= y < 0.5 * openings(hands, hand).to(points)[:, None]
    right = torch.where(inside, local[1], torch.inf).amin(1)
    left = torch.where(inside, local[1], -torch.inf).amax(1)
    seen = left - right >= SEEN_SHARE * hands.width.to(points)
    shift = torch.where(seen, 0.5 * (left + right), 0.0).clamp(-FARTHEST_SHIFT, FARTHEST_SHIFT)
    return shift[:, None].to(hands.tips) * hands.rotation[..., 1]
