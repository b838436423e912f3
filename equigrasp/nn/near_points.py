"""What lies around a point, from the observed surface itself, beside what planes say of it.

A volume rounds the surface to its voxels, and planes average it along their axes; the points where
it crosses between voxels keep its place to a fraction of one. The nearest of them are described by
where they lie, once as seen from each quarter turn, so the four descriptions of a turned scene are
the same four, each moved on by one.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.nn.fields import FieldType
from equigrasp.nn.surface_points import Cloud, SurfacePoints, neighbours
from equigrasp.workspace import Workspace

POINTS = 1024
"""Points of a cloud."""
COUNT = 16
"""Nearest of them that a point looks at."""
RADIUS = 0.06
"""Metres; what lies further away does not count."""


class NearPlanes(NamedTuple):
    """Planes of `equigrasp.nn.planes.TriPlane`, and places (B, P, 3) of the observed surface."""

    xy: Tensor
    side_a: Tensor
    side_b: Tensor
    surface: Tensor


class NearPoints(nn.Module):
    """Describes points by the surface around them.

    Args:
        workspace: of the TSDF.
        fields: regular fields of the result.
    """

    def __init__(self, workspace: Workspace, fields: int) -> None:
        super().__init__()
        self.target = FieldType("C4", regular=fields)
        self.surface = SurfacePoints(workspace, POINTS, symmetric=True)
        self.radius = RADIUS / workspace.side
        self.first, self.second = nn.Linear(3, 2 * fields), nn.Linear(2 * fields, fields)

    def cloud(self, tsdf: Tensor) -> Tensor:
        """Places (B, P, 3) of the surface in TSDFs (B, N, N, N)."""
        return self.surface(tsdf).position

    def forward(self, points: Tensor, cloud: Tensor) -> Tensor:
        """Fields (B, Q, 4 * fields) at points (B, Q, 3), of the places that `cloud` returned."""
        empty = cloud.new_zeros((*cloud.shape[:2], 0))
        offset, counts = neighbours(points, Cloud(cloud, empty), COUNT, self.radius)
        square = torch.where(counts.squeeze(-1), offset.square().sum(-1), 1.0)
        # Those as far as the last one weigh nothing: which of them it is does not matter.
        weight = (1 - square / square[..., -1:].clamp(min=1e-6)).clamp(min=0.0)
        x, y, z = offset.unbind(-1)
        turned = torch.stack([x, y, z, y, -x, z, -x, -y, z, -y, x, z], -1)
        h = F.relu(self.first(turned.unflatten(-1, (4, 3)))) * weight[..., None, None]
        mean = h.sum(2) / (1 + weight.sum(2))[..., None, None]
        return self.second(mean).transpose(-1, -2).flatten(-2)
