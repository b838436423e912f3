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

LEAST = -60.0
"""Logarithms of neighbours' weights are not smaller than this: `exp` of much smaller ones would be
denormal numbers, with which processors are slow."""
WINDOW = 0.04
"""Half the width (m) of the window in which neighbours count. It is flat within and has no tails,
in which high powers of distances would see other things."""
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
    rows = zip(x, rgb / TINT, there.to(x), strict=True)
    return torch.stack([_of_cloud(*row) for row in rows]) * there


def _of_cloud(x: Tensor, tint: Tensor, there: Tensor) -> Tensor:
    """(N, `ALIKE`) of one cloud: places in windows (N, 3), scaled colours, and which are (N, 1)."""
    found = []
    for start in range(0, len(x), ROWS):
        own = slice(start, start + ROWS)
        apart = _squares(x, own).square_().square_()
        weight = (-0.5 * (apart + _squares(tint, own))).clamp_(min=LEAST).exp_()
        middle = (x[own, :2] * there[own]).sum(0) / there[own].sum().clamp(min=1.0)
        flat = x[:, :2] - middle
        found.append(_moments(weight, flat, there, flat[own]))
    return torch.cat(found)


def _squares(x: Tensor, own: slice) -> Tensor:
    """Square distances (R, N) of some rows to all."""
    square = x.square().sum(-1)
    return torch.addmm(square + square[own, None], x[own], x.T, alpha=-2.0).clamp_(min=0.0)


def _moments(weight: Tensor, flat: Tensor, there: Tensor, own: Tensor) -> Tensor:
    """(R, `ALIKE`) of rows with weights (R, N) and places `own` (R, 2), about the origin of `flat`
    (N, 2)."""
    z = torch.view_as_complex(flat.contiguous())
    powers = [torch.ones_like(z)]
    for _ in range(max(FOLDS)):
        powers.append(powers[-1] * z)
    columns = torch.view_as_real(torch.stack(powers, -1)).flatten(1)
    sums = weight @ (torch.cat([columns, flat.square().sum(-1, keepdim=True)], -1) * there)
    count = sums[:, :1].clamp(min=1e-6)
    raw = torch.view_as_complex((sums[:, :-1] / count).unflatten(-1, (-1, 2)).contiguous())
    centre = raw[:, 1]
    spread = (sums[:, -1] / count[:, 0] - centre.abs().square()).clamp(min=1e-4)
    folds = []
    for fold in FOLDS:
        parts = [math.comb(fold, j) * raw[:, j] * (-centre) ** (fold - j) for j in range(fold + 1)]
        folds.append((sum(parts).abs() / spread ** (fold / 2)).clamp(max=3.0))
    aside = (centre - torch.view_as_complex(own.contiguous())).abs()
    return torch.stack([count[:, 0].log1p() - 4.0, aside, spread.sqrt(), *folds], -1)
