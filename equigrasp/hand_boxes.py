"""Boxes of open hands on their way, and points in the frames of these hands.

Palm and fingers are the boxes of `equigrasp.hand.Hand`, drawn out against the approach by the way
that the hand comes. Nothing here knows a direction of the workspace, so it commutes with all turns.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from equigrasp.candidates import Candidates
from equigrasp.hand import Box, Hand

SWEEP = 0.05
"""Way along the approach that has to be free, metres: that of the published trial."""
OPENED = 0.01
"""A hand on its way is opened this much (m) wider than predicted, as far as it can be."""


def openings(hands: Candidates, hand: Hand) -> Tensor:
    """How wide (P,), in metres, hands are open on their way."""
    return (hands.width + OPENED).clamp(max=hand.opening)


def in_hands(points: Tensor, hands: Candidates) -> Tensor:
    """Points (N, 3) in the frames of the hands, metres; (3, P, N), x, y and z apart."""
    axes = hands.rotation.movedim(-1, 0).to(points)
    origin = (axes * hands.tips.to(points)).sum(-1, keepdim=True)
    return (axes.reshape(-1, 3) @ points.T).reshape(3, len(hands.tips), len(points)) - origin


def folded(local: Tensor) -> Tensor:
    """Points (3, ...) in the frame of a hand, those of its right half turned onto its left one by
    the half turn about the approach that carries one finger into the other."""
    sign = torch.where(local[1] < 0, -1.0, 1.0)
    return torch.stack([local[0] * sign, local[1].abs(), local[2]])


def box_distance(local: Tensor, box: Box, shift: Tensor | float = 0.0) -> Tensor:
    """Signed distance (...) of points (3, ...) to a box, metres; negative inside.

    Args:
        local: x, y and z in the frame of the box.
        box: its corners.
        shift: along y, of the box; a number, or one that broadcasts with (...).
    """
    beyond = _beyond(local, box, shift)
    deepest = torch.maximum(torch.maximum(beyond[0], beyond[1]), beyond[2])
    return _outside(beyond).sqrt_().add_(deepest.clamp_(max=0.0))


def nearer(local: Tensor, box: Box, shift: Tensor | float, limit: float) -> Tensor:
    """Whether points lie nearer to a box than a distance: `box_distance` below it, in less time.

    Args:
        local, box, shift: see `box_distance`.
        limit: metres; negative for points so deep inside.
    """
    beyond = _beyond(local, box, shift)
    near = (beyond[0] < limit) & (beyond[1] < limit) & (beyond[2] < limit)
    return near & (_outside(beyond) < limit**2) if limit > 0 else near


def _beyond(local: Tensor, box: Box, shift: Tensor | float) -> list[Tensor]:
    """How far points (3, ...) lie beyond the faces of a box along each axis; negative within."""
    found = []
    for axis in range(3):
        middle = 0.5 * (box.lower[axis] + box.upper[axis])
        half = 0.5 * (box.upper[axis] - box.lower[axis])
        offset = local[axis] - (middle + shift) if axis == 1 else local[axis] - middle
        found.append(offset.abs_().sub_(half))
    return found


def _outside(beyond: Sequence[Tensor]) -> Tensor:
    """Squared distances (...) to the box of points outside; 0 inside."""
    x, y, z = (each.clamp(min=0.0).square_() for each in beyond)
    return x.add_(y).add_(z)


def swept(box: Box, sweep: float = SWEEP) -> Box:
    """What a box passes through on a straight way along the approach to where it is."""
    return Box((*box.lower[:2], box.lower[2] - sweep), box.upper)
