"""What a point of a cloud is before it looks at others: colour, height, surroundings, the hand."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from equigrasp.policy.nn.neighbours import near_blocks

LEAST = -30.0
"""Logarithms of neighbours' weights are not smaller than this: `exp` of much smaller ones would be
denormal numbers, with which processors are slow."""
DESCRIBED = 23
"""Numbers that describe a point by itself and by its neighbours."""
REACH = 0.02
"""Neighbours within about this (m) tell what a point's surroundings look like."""
TAIL = 6.0
"""Neighbours farther than this (in `REACH`) count less than 1e-7, and are left out."""
ROWS = 128
"""Points whose neighbours are looked for together."""
HAND = 0.05
"""Points within about this (m) of the tip are in the gripper, or below it."""


def describe_points(
    xyz: Tensor, rgb: Tensor, mask: Tensor, tip: Tensor, table_top: float
) -> Tensor:
    """What a point is before it looks at others: (B, N, `DESCRIBED`).

    Waves of the colour keep neighbouring hues apart. The gripper's place tells how far a task has
    come, so points know where it is from them, and whether it is within `HAND`. `local_shape` tells
    edges and their directions, which turn with an object.

    Args:
        xyz, rgb, mask, tip, table_top: see `PointEncoder`.
    """
    height = 5 * (xyz[..., 2:] - table_top)
    offset = xyz - tip.unsqueeze(1)
    near = torch.exp(-(offset / HAND).square().sum(-1, keepdim=True))
    waves = math.pi * rgb
    shape = local_shape(xyz, mask)
    return torch.cat([rgb, waves.sin(), waves.cos(), shape, height, 4 * offset, near], -1)


@torch.no_grad()
def local_shape(xyz: Tensor, mask: Tensor) -> Tensor:
    """Where the neighbours of a point lie: their mean from it, and their covariance (B, N, 9).

    Neighbours count by a Gaussian of standard deviation `REACH`, which is the unit of both. Of the
    covariance come xx, yy, zz, xy, yz, zx.

    Args:
        xyz: (B, N, 3) metres.
        mask: (B, N) bool, True for points.
    """
    there = mask.unsqueeze(-1)
    middle = (xyz * there).sum(1, keepdim=True) / there.sum(1, keepdim=True).clamp(min=1)
    # Variances are differences of squares, which large coordinates would leave no digits of.
    x = (xyz - middle) / REACH
    half = 0.5 * x.square().sum(-1)
    moments = torch.cat([torch.ones_like(x[..., :1]), x, x.square(), x * x.roll(-1, -1)], -1)
    sums = torch.stack(
        [_weighted_sums(*cloud) for cloud in zip(x, half, moments * there, strict=True)]
    )
    mean, squares, products = (sums[..., 1:] / sums[..., :1].clamp(min=1e-6)).split(3, -1)
    spread = torch.cat([squares - mean.square(), products - mean * mean.roll(-1, -1)], -1)
    return torch.cat([mean - x, spread], -1) * there


def _weighted_sums(x: Tensor, half: Tensor, values: Tensor) -> Tensor:
    """Sums (N, V) of the neighbours' values (N, V), for places (N, 3) in `REACH` and halves (N,) of
    their squares."""
    sums = []
    for own, near in near_blocks(x, TAIL, ROWS):
        apart = torch.addmm(-half[near] - half[own, None], x[own], x[near].T)
        sums.append(apart.clamp_(min=LEAST).exp_() @ values[near])
    return torch.cat(sums)
