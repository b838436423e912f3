"""GIGA: the tri-plane grasp field that the equivariant models start from; not equivariant.

After Jiang et al., "Synergies Between Affordance and Geometry" (RSS 2021), the full model with the
occupancy decoder, 0.60 M parameters. Module names are the published ones; see `giga_checkpoint`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from equigrasp.hand import PANDA, Hand
from equigrasp.models.base import (
    GRASP_OUTPUTS,
    LIMITS,
    GraspField,
    GraspModel,
    check_points,
    published_field,
)
from equigrasp.nn.plain import PlaneEncoder, Planes, PointDecoder, read_planes
from equigrasp.options import records_options
from equigrasp.workspace import WORKSPACE

DECODERS = {
    "quality": ("decoder_qual", 1),
    "rotation": ("decoder_rot", 4),
    "width": ("decoder_width", 1),
    "occupancy": ("decoder_tsdf", 1),
}
"""Module and channels per output; rotations are quaternions (xyzw), widths shares of the cube."""


@records_options(
    limits={
        **LIMITS,
        "channels": (1, 1024),
        "depth": (1, 6),
        "hidden": (1, 1024),
        "blocks": (0, 32),
    }
)
class GIGA(GraspModel):
    """Plane encoder and four decoders.

    Args:
        resolution: voxels per side, divisible by 2**(depth - 1).
        encoding: TSDF encoding; "published" is what it was made with.
        query_setback: metres from the tip back to the query point; 0.05 is the finger root, where
            VGN and GIGA place a grasp.
        channels: of the planes.
        depth: resolutions of the UNet.
        hidden, blocks: width and number of the decoders' residual blocks.
        hand, workspace_side, table_height: see `GraspModel`.
    """

    name: ClassVar[str] = "giga"

    def __init__(
        self,
        resolution: int = 40,
        encoding: str = "published",
        query_setback: float = PANDA.finger_depth,
        channels: int = 32,
        depth: int = 3,
        hidden: int = 32,
        blocks: int = 5,
        hand: Hand | Mapping[str, Any] = PANDA,
        workspace_side: float = WORKSPACE.side,
        table_height: float = WORKSPACE.table_height,
    ) -> None:
        if resolution % 2 ** (depth - 1):
            raise ValueError(
                f"resolution {resolution} cannot be halved {depth - 1} times; use a multiple of "
                f"{2 ** (depth - 1)}"
            )
        super().__init__(resolution, encoding, query_setback, hand, workspace_side, table_height)
        self.encoder = PlaneEncoder(channels, depth)
        for module, size in DECODERS.values():
            decoder = PointDecoder(3 * channels, size, hidden=hidden, blocks=blocks)
            self.add_module(module, decoder)

    def encode(self, tsdf: Tensor) -> Planes:
        """Planes of scenes (B, N, N, N)."""
        self.check_tsdf(tsdf)
        return self.encoder(tsdf)

    def query_raw(
        self,
        features: Planes,
        points: Tensor,
        outputs: tuple[str, ...] = GRASP_OUTPUTS,
    ) -> GraspField:
        """Logits, rows of unit quaternions (B, Q, 2, 3) and width at (B, Q, 3)."""
        check_points(points, outputs, self.outputs)
        at = read_planes(features, points)
        raw = {name: self.get_submodule(DECODERS[name][0])(points, at) for name in outputs}
        return published_field(raw, self.workspace.side)
