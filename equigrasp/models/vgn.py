"""VGN: a volume of grasps from a volume of distances; not equivariant.

After Breyer et al., "Volumetric Grasping Network" (CoRL 2020). The network predicts one grasp per
voxel; between the voxels' centres its outputs are interpolated linearly, so that it answers queries
like the other models.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.hand import PANDA, Hand
from equigrasp.models.base import (
    GRASP_OUTPUTS,
    LIMITS,
    GraspField,
    GraspModel,
    check_points,
    published_field,
)
from equigrasp.nn.volume import VolumeConv
from equigrasp.options import records_options
from equigrasp.workspace import WORKSPACE

CHANNELS = {"quality": slice(0, 1), "rotation": slice(1, 5), "width": slice(5, 6)}


class Volume(NamedTuple):
    """Logit of quality, quaternion (xyzw) and width in voxels: (B, 6, N, N, N)."""

    grasps: Tensor


@records_options(limits={**LIMITS, "filters": (1, 1024)})
class VGN(GraspModel):
    """3-D convolutional encoder (three halvings) and decoder.

    Args:
        resolution: voxels per side, divisible by 8.
        encoding: TSDF encoding; "published" is what it was made with.
        query_setback: metres from the tip back to the query point; 0.05 is the finger root, where
            VGN places a grasp.
        filters: channels of the encoder; the decoder has them in reverse.
        hand, workspace_side, table_height: see `GraspModel`.
    """

    name: ClassVar[str] = "vgn"
    outputs: ClassVar[tuple[str, ...]] = GRASP_OUTPUTS

    def __init__(
        self,
        resolution: int = 40,
        encoding: str = "published",
        query_setback: float = PANDA.finger_depth,
        filters: tuple[int, int, int] = (16, 32, 64),
        hand: Hand | Mapping[str, Any] = PANDA,
        workspace_side: float = WORKSPACE.side,
        table_height: float = WORKSPACE.table_height,
    ) -> None:
        if resolution % 8:
            raise ValueError(
                f"resolution {resolution} cannot be halved three times; use a multiple of 8"
            )
        super().__init__(resolution, encoding, query_setback, hand, workspace_side, table_height)
        first, second, third = filters
        self.encoder = nn.ModuleList(
            nn.Conv3d(source, target, kernel, stride=2, padding=kernel // 2)
            for source, target, kernel in ((1, first, 5), (first, second, 3), (second, third, 3))
        )
        self.decoder = nn.ModuleList(
            VolumeConv(source, target, kernel)
            for source, target, kernel in (
                (third, third, 3),
                (third, second, 3),
                (second, first, 5),
            )
        )
        self.head = VolumeConv(first, 6, 5)

    def encode(self, tsdf: Tensor) -> Volume:
        """Grasps of scenes (B, N, N, N)."""
        self.check_tsdf(tsdf)
        x = tsdf.unsqueeze(1)
        for layer in self.encoder:
            x = F.relu(layer(x))
        for layer in self.decoder:
            x = F.interpolate(F.relu(layer(x)), scale_factor=2)
        return Volume(self.head(x))

    def query_raw(
        self,
        features: Volume,
        points: Tensor,
        outputs: tuple[str, ...] = GRASP_OUTPUTS,
    ) -> GraspField:
        """Logits, rows of unit quaternions (B, Q, 2, 3) and width at (B, Q, 3)."""
        check_points(points, outputs, self.outputs)
        grid = 2 * points.flip(-1)[:, :, None, None].to(features.grasps.dtype)
        values = F.grid_sample(features.grasps, grid, padding_mode="border", align_corners=False)
        at = values.flatten(2).transpose(1, 2)
        raw = {name: at[..., CHANNELS[name]] for name in outputs}
        return published_field(raw, self.workspace.voxel)
