"""A point-cloud baseline: a small PointNet++ on the observed surface; not equivariant.

After Qi et al., "PointNet++" (NeurIPS 2017). Two layers describe every point of the cloud by what
lies around it; a query gathers the points that a hand there could touch. No volume is convolved:
the comparison of planners is not one of volumes alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.hand import PANDA, Hand
from equigrasp.models.base import GRASP_OUTPUTS, LIMITS, GraspField, GraspModel, check_points
from equigrasp.nn.surface_points import Cloud, SurfacePoints, neighbours
from equigrasp.options import records_options
from equigrasp.workspace import WORKSPACE

RADII = (0.025, 0.05)
"""Metres around a point that the two layers look at."""
REACH = 0.10
"""Metres around a query point, the finger root: beyond the tips of the open fingers."""
SIZES = {"quality": 1, "rotation": 6, "width": 1}


class SetLayer(nn.Module):
    """Describes points by the largest responses of a perceptron to what lies around them.

    Args:
        source, target: channels of the cloud's features, and of the description.
        count: neighbours that are looked at.
        radius: normalised.
    """

    def __init__(self, source: int, target: int, count: int, radius: float) -> None:
        super().__init__()
        self.count, self.radius = count, radius
        self.first = nn.Linear(3 + source, target)
        self.second = nn.Linear(target, target)

    def forward(self, points: Tensor, cloud: Cloud) -> Tensor:
        """(B, Q, target) at points (B, Q, 3); zero where nothing is near."""
        around, counts = neighbours(points, cloud, self.count, self.radius)
        h = F.relu(self.second(F.relu(self.first(around))))
        return torch.where(counts, h, 0.0).amax(2)


@records_options(
    limits={**LIMITS, "points": (1, 65536), "neighbours": (1, 1024), "channels": (1, 1024)}
)
class PointNet(GraspModel):
    """Two set layers over the cloud, and one from the cloud to a query.

    Args:
        resolution: voxels per side of the TSDF that the cloud is taken from.
        encoding: TSDF encoding.
        query_setback: metres from the tip back to the query point; 0.05 is the finger root.
        points: of the cloud.
        neighbours: of a point in the first two layers; a query looks at twice as many.
        channels: of the first layer; the others have twice as many.
        hand, workspace_side, table_height: see `GraspModel`.
    """

    name: ClassVar[str] = "pointnet"
    outputs: ClassVar[tuple[str, ...]] = GRASP_OUTPUTS

    def __init__(
        self,
        resolution: int = 40,
        encoding: str = "full",
        query_setback: float = PANDA.finger_depth,
        points: int = 1024,
        neighbours: int = 16,
        channels: int = 48,
        hand: Hand | Mapping[str, Any] = PANDA,
        workspace_side: float = WORKSPACE.side,
        table_height: float = WORKSPACE.table_height,
    ) -> None:
        super().__init__(resolution, encoding, query_setback, hand, workspace_side, table_height)
        side, wide = self.workspace.side, 2 * channels
        self.surface = SurfacePoints(self.workspace, points)
        self.near = SetLayer(3, channels, neighbours, RADII[0] / side)
        self.around = SetLayer(channels, wide, neighbours, RADII[1] / side)
        self.reach = SetLayer(wide, wide, 2 * neighbours, REACH / side)
        self.heads = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Linear(wide + 1, wide),
                    nn.ReLU(),
                    nn.Linear(wide, wide),
                    nn.ReLU(),
                    nn.Linear(wide, size),
                )
                for name, size in SIZES.items()
            }
        )

    def encode(self, tsdf: Tensor) -> Cloud:
        """Described surface points of scenes (B, N, N, N)."""
        self.check_tsdf(tsdf)
        cloud = self.surface(tsdf)
        for layer in (self.near, self.around):
            cloud = Cloud(cloud.position, layer(cloud.position, cloud))
        return cloud

    def query_raw(
        self,
        features: Cloud,
        points: Tensor,
        outputs: tuple[str, ...] = GRASP_OUTPUTS,
    ) -> GraspField:
        """Logits, rows (B, Q, 2, 3) and width at (B, Q, 3)."""
        check_points(points, outputs, self.outputs)
        points = points.to(features.feature.dtype)
        at = torch.cat([self.reach(points, features), points[..., 2:]], -1)
        raw = {name: self.heads[name](at) for name in outputs}
        field = {name: value.squeeze(-1) for name, value in raw.items() if name != "rotation"}
        if "rotation" in raw:
            field["rotation"] = raw["rotation"].unflatten(-1, (2, 3))
        if "width" in field:
            field["width"] = self.hand.opening * torch.sigmoid(field["width"])
        return GraspField(**field)
