"""Things on the table as far as views show them: clusters of observed points, and their widths.

Points whose voxels touch belong together, so things that touch count as one. Nothing here knows a
direction in the plane of the table: the clusters of a turned scene are the turned clusters.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from equigrasp.workspace import Workspace

FEWEST = 3
"""Clusters of fewer points are noise."""
DIRECTIONS = 24
"""Directions of a quarter turn along which a thing is measured; turns send them to each other."""


def clusters(points: Tensor, workspace: Workspace) -> list[Tensor]:
    """Points (N, 3) that hang together, most first: each (M, 3), M >= `FEWEST`.

    Args:
        points: about one per voxel of the workspace, metres in its frame.
        workspace: whose voxels tell what touches: also at edges and corners.
    """
    labels = _labels(points, workspace)
    counts = torch.bincount(labels) if len(labels) else labels
    large = (counts >= FEWEST).nonzero()[:, 0]
    order = counts[large].sort(descending=True, stable=True)[1]
    return [points[labels == label] for label in large[order]]


def _labels(points: Tensor, workspace: Workspace) -> Tensor:
    """A number (N,) for each point, the same for points that hang together."""
    # About the middle of the cube, so that turns of the workspace change no rounding.
    half = workspace.side / 2
    cells = ((points.double() - half) / workspace.voxel).floor().long()
    if not len(cells):
        return torch.zeros(0, dtype=torch.long, device=points.device)
    cells = cells - cells.amin(0) + 1
    size = (cells.amax(0) + 2).tolist()
    grid = torch.full(size, -1, dtype=torch.long, device=points.device)
    cells, which = cells.unique(dim=0, return_inverse=True)
    grid[tuple(cells.T)] = torch.arange(len(cells), device=points.device)
    steps = torch.cartesian_prod(*[torch.arange(-1, 2, device=points.device)] * 3)
    beside = torch.stack([grid[tuple((cells + step).T)] for step in steps], 1)
    label = torch.arange(len(cells), device=points.device)
    while True:
        seen = torch.where(beside >= 0, label[beside.clamp(min=0)], len(cells)).amin(1)
        lower = torch.minimum(label, seen)
        lower = lower[lower]  # to the label of the label: long things take few rounds
        if torch.equal(lower, label):
            return label[which]
        label = lower


def narrowest(points: Tensor) -> float:
    """Smallest horizontal width (m) of points (N, 3) over all directions of the plane.

    What is seen is part of the thing, which is at least so wide.
    """
    angles = torch.arange(2 * DIRECTIONS, dtype=torch.float64) * (math.pi / (2 * DIRECTIONS))
    along = torch.stack([angles.cos(), angles.sin()]).to(points.device)
    reach = points[:, :2].double() @ along
    return float((reach.amax(0) - reach.amin(0)).amin())
