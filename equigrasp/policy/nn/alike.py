"""What a patch of one colour looks like from above, whatever its turn: rotational moments.

A point sees its neighbours of like colour through a Gaussian window. How many there are, how far
they reach, and how strongly they repeat themselves when turned by a half, a third, a quarter and a
sixth of a turn tells a bar from a triangle, a square, a hexagon and a disc, on things and on prints
alike. Complex moments after Flusser, "On the independence of rotation moment invariants" (2000).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from equigrasp.policy.nn.neighbours import near_blocks

LEAST = -60.0
"""Logarithms of neighbours' weights are not smaller than this: `exp` of much smaller ones would be
denormal numbers, with which processors are slow. High powers of distances ask for less than what
does for `local_shape`."""
WINDOW = 0.04
"""Half the width (m) of the window in which neighbours count. It is flat within and has no tails,
in which high powers of distances would see other things."""
REACH = 1.6
"""Neighbours farther than this (in windows) count less than a billionth, and are left out."""
TINT = 0.5
"""Standard deviation of the difference of colours in [-1, 1] that still counts as alike."""
FOLDS = (2, 3, 4, 6)
"""Turns by one part of so many that are looked for."""
ALIKE = 3 + len(FOLDS)
"""Numbers that describe a point's neighbours of like colour."""
ROWS = 64
"""Points whose moments are taken about one origin, their middle. Powers of distances would lose
their digits about one that is far away; neighbours in the order of points are near each other."""


@torch.no_grad()
def alike_surroundings(xyz: Tensor, rgb: Tensor, mask: Tensor) -> Tensor:
    """What is around a point in its own colour: (B, N, `ALIKE`).

    The logarithm of how many neighbours there are (less 4: some fifty are usual), how far away (in
    windows) their middle is, how far they are from it (root of the mean square), and for each of
    `FOLDS` the length of their central moment, against that power of the latter. All of it stays
    when a scene is turned about the vertical.

    Args:
        xyz: (B, N, 3) metres; near points in the order should be near in space.
        rgb: (B, N, 3) in [-1, 1].
        mask: (B, N) bool, True for points.
    """
    there = mask.unsqueeze(-1)
    middle = (xyz * there).sum(1, keepdim=True) / there.sum(1, keepdim=True).clamp(min=1)
    x = (xyz - middle) / WINDOW
    clouds = zip(x, rgb / TINT, there.to(x), strict=True)
    sums, own = (torch.stack(parts) for parts in zip(*(_sums(*c) for c in clouds), strict=True))
    return _moments(sums, own) * there


def _sums(x: Tensor, tint: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """What neighbours of every point add up to: their number, powers of their places (complex, as
    two numbers), and square distances, about the middle of the point's rows.

    Args:
        x, tint, there: places in windows (N, 3), scaled colours (N, 3), and which are points
            (N, 1).

    Returns:
        sums (N, 2 (most + 1) + 1), where `most` is the highest fold, and places (N, 2).
    """
    sums, places = [], []
    for own, near in near_blocks(x, REACH, ROWS):
        apart = _squares(x[own], x[near]).square_().square_()
        weight = apart.add_(_squares(tint[own], tint[near])).mul_(-0.5).clamp_(min=LEAST).exp_()
        middle = (x[own, :2] * there[own]).sum(0) / there[own].sum().clamp(min=1.0)
        flat = x[near, :2] - middle
        columns = [torch.view_as_real(_powers(torch.view_as_complex(flat))).flatten(1)]
        columns.append(flat.square().sum(-1, keepdim=True))
        sums.append(weight @ (torch.cat(columns, -1) * there[near]))
        places.append(x[own, :2] - middle)
    return torch.cat(sums), torch.cat(places)


def _squares(x: Tensor, y: Tensor) -> Tensor:
    """Square distances (R, K) of rows (R, C) to others (K, C)."""
    own, other = x.square().sum(-1, keepdim=True), y.square().sum(-1)
    return torch.addmm(own + other, x, y.T, alpha=-2.0).clamp_(min=0.0)


def _powers(z: Tensor) -> Tensor:
    """Powers (..., most + 1) of complex numbers (...), from the zeroth to the highest fold."""
    powers = [torch.ones_like(z)]
    for _ in range(max(FOLDS)):
        powers.append(powers[-1] * z)
    return torch.stack(powers, -1)


def _moments(sums: Tensor, own: Tensor) -> Tensor:
    """(B, N, `ALIKE`) of sums and places, see `_sums`."""
    count = sums[..., :1].clamp(min=1e-6)
    raw = torch.view_as_complex((sums[..., :-1] / count).unflatten(-1, (-1, 2)).contiguous())
    centre = raw[..., 1]
    spread = (sums[..., -1] / count[..., 0] - centre.abs().square()).clamp(min=1e-4)
    back = _powers(-centre)
    folds = []
    for fold in FOLDS:
        ways = torch.tensor([math.comb(fold, j) for j in range(fold + 1)]).to(sums)
        central = (ways * raw[..., : fold + 1] * back[..., : fold + 1].flip(-1)).sum(-1)
        folds.append((central.abs() / spread ** (fold / 2)).clamp(max=3.0))
    aside = (centre - torch.view_as_complex(own.contiguous())).abs()
    return torch.stack([count[..., 0].log1p() - 4.0, aside, spread.sqrt(), *folds], -1)
