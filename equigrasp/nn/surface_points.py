"""The observed surface of a TSDF as a point cloud of fixed size, and neighbourhoods in it.

Published point-cloud planners take their clouds from a fused TSDF as well (Edge Grasp, Huang et al.
2023). A point lies where the values of two neighbouring voxels cross 0.5; where observed space
meets unobserved space they cross it too, which is no surface.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from equigrasp.perception.tsdf import FREE_CODE
from equigrasp.workspace import Workspace

TABLE_MARGIN = 0.008
"""Points lower than this over the table (m) fill what room others leave."""
FAR = 8.0
"""Normalised coordinate of a point that is none."""


class Cloud(NamedTuple):
    """Points of scenes.

    Attributes:
        position: (B, P, 3) normalised; far outside where there is none.
        feature: (B, P, C); of a fresh cloud unit normals, C = 3.
    """

    position: Tensor
    feature: Tensor


class SurfacePoints(nn.Module):
    """Draws the cloud: the same crossings whatever the scene, those above the table first.

    Args:
        workspace: of the TSDF.
        count: P, points of a scene; where there are fewer crossings the rest are far outside.
        symmetric: whether a turned or reflected scene has the turned or reflected cloud; crossings
            that a turn sends to each other are then taken together or not at all.

    Raises:
        ValueError: no points are asked for.
    """

    def __init__(self, workspace: Workspace, count: int, *, symmetric: bool = False) -> None:
        super().__init__()
        if count < 1:
            raise ValueError(f"points is {count}; a cloud has at least 1")
        n = workspace.resolution
        self.resolution, self.count = n, min(count, 3 * n**3)
        height = (torch.arange(n) + 0.5) / n * workspace.side
        above = (height > workspace.table_height + TABLE_MARGIN).float()
        drawn = torch.rand(3, n, n, n, generator=Generator().manual_seed(0))
        drawn = _of_orbits(drawn) if symmetric else drawn
        # Drawn numbers are below 1: what is above the table comes first.
        self.register_buffer("rank", (1.0 + drawn + above).flatten(), persistent=False)

    def forward(self, tsdf: Tensor) -> Cloud:
        """Cloud of scenes (B, N, N, N)."""
        n = self.resolution
        values, size = tsdf.flatten(1), n**3
        ranked, count = self.rank * _crossings(tsdf).flatten(1), self.count
        chosen, index = ranked.topk(min(count + 1, ranked.shape[1]), dim=1)
        # Of equal ones that do not all find room none is taken.
        next_one = chosen[:, count:].amax(1, keepdim=True) if chosen.shape[1] > count else 0.0
        chosen, index = chosen[:, :count], index[:, :count]
        voxel, axis = index % size, index.div(size, rounding_mode="floor")
        steps = torch.tensor([n * n, n, 1], device=tsdf.device)
        low = values.gather(1, voxel)
        high = values.gather(1, (voxel + steps[axis]).clamp(max=size - 1))
        found = (chosen > 0) & (chosen > next_one)
        part = torch.where(found, (0.5 - low) / torch.where(found, high - low, 1.0), 0.0)
        corner = torch.stack([voxel.div(s, rounding_mode="floor") % n for s in (n * n, n, 1)], -1)
        moved = corner + 0.5 + part.unsqueeze(-1) * nn.functional.one_hot(axis, 3)
        position = torch.where(found.unsqueeze(-1), moved / n - 0.5, FAR)
        slopes = [
            values.gather(1, (voxel + s).clamp(max=size - 1))
            - values.gather(1, (voxel - s).clamp(0))
            for s in (n * n, n, 1)
        ]
        normal = nn.functional.normalize(torch.stack(slopes, -1), dim=-1, eps=1e-6)
        return Cloud(position.to(tsdf.dtype), normal)


def _of_orbits(drawn: Tensor) -> Tensor:
    """Of numbers (3, N, N, N) for the edges of a grid one for all that turns and reflections about
    the upright axis in its middle send to each other."""
    n = drawn.shape[-1]
    # Twice the way from the axis, of voxels and of the middles of edges.
    voxel = 2 * torch.arange(n) + 1 - n
    edge = (voxel + 1).abs()
    voxel = voxel.abs()
    places = ((edge, voxel), (voxel, edge), (voxel, voxel))
    found = []
    for numbers, (u, v) in zip((drawn[0], drawn[0], drawn[2]), places, strict=True):
        u, v = torch.broadcast_tensors(u[:, None], v[None])
        found.append(numbers[torch.minimum(u, v).clamp(max=n - 1), torch.maximum(u, v) - 1])
    return torch.stack(found)


def _crossings(tsdf: Tensor) -> Tensor:
    """(B, 3, N, N, N), 1 where a surface runs between a voxel and its next one along an axis."""
    near = (tsdf > 1 - FREE_CODE) & (tsdf < FREE_CODE)
    inside = tsdf < 0.5
    found = []
    for axis in (1, 2, 3):
        count = tsdf.shape[axis] - 1
        a, b = (slice(0, count), slice(1, None))
        cut = [slice(None)] * 4
        low, high = ([*cut[:axis], part, *cut[axis + 1 :]] for part in (a, b))
        cross = near[tuple(low)] & near[tuple(high)] & (inside[tuple(low)] ^ inside[tuple(high)])
        edge = torch.zeros_like(near.narrow(axis, 0, 1))
        found.append(torch.cat([cross, edge], axis))
    return torch.stack(found, 1).to(tsdf.dtype)


def neighbours(points: Tensor, cloud: Cloud, count: int, radius: float) -> tuple[Tensor, Tensor]:
    """What lies around points, in a cloud.

    Args:
        points: (B, Q, 3) normalised.
        cloud: of the same scenes.
        count: K, nearest points that are taken.
        radius: normalised; what lies further away does not count.

    Returns:
        (B, Q, K, 3 + C) offsets over the radius and features, and (B, Q, K, 1) which of them count.
    """
    nearest, index = _distances(points, cloud.position).topk(
        min(count, cloud.position.shape[1]), dim=2, largest=False
    )
    joined = torch.cat([cloud.position, cloud.feature], -1)
    scene = torch.arange(len(index), device=index.device).view(-1, 1, 1)
    around = joined[scene, index]
    offset = (around[..., :3] - points.unsqueeze(2)) / radius
    counts = (nearest < radius).unsqueeze(-1)
    return torch.cat([torch.where(counts, offset, 0.0), around[..., 3:]], -1), counts


def _distances(points: Tensor, places: Tensor) -> Tensor:
    """(B, Q, P); not by products of matrices, whose rounding hangs on what else is in the batch."""
    if torch.compiler.is_exporting():  # ONNX knows no cdist
        return (points.unsqueeze(2) - places.unsqueeze(1)).square().sum(-1).sqrt()
    return torch.cdist(points, places, compute_mode="donot_use_mm_for_euclid_dist")
