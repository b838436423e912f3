"""GIGA: the tri-plane grasp field that the equivariant models start from; not equivariant.

After Jiang et al., "Synergies Between Affordance and Geometry" (RSS 2021), the full model with the
occupancy decoder, 0.60 M parameters. Module names are the published ones; see `giga_checkpoint`.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from equigrasp.constants import FINGER_DEPTH, WORKSPACE_SIZE
from equigrasp.models.base import GraspField, GraspModel, check_points, published_field
from equigrasp.nn.plain import PlaneEncoder, Planes, PointDecoder, read_planes

DECODERS = {
    "quality": ("decoder_qual", 1),
    "rotation": ("decoder_rot", 4),
    "width": ("decoder_width", 1),
    "occupancy": ("decoder_tsdf", 1),
}
"""Module and channels per output; rotations are quaternions (xyzw), widths shares of the cube."""


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
    """

    name: ClassVar[str] = "giga"

    def __init__(
        self,
        resolution: int = 40,
        encoding: str = "published",
        query_setback: float = FINGER_DEPTH,
        channels: int = 32,
        depth: int = 3,
        hidden: int = 32,
        blocks: int = 5,
    ) -> None:
        if resolution % 2 ** (depth - 1):
            raise ValueError(
                f"resolution {resolution} cannot be halved {depth - 1} times; use a multiple of "
                f"{2 ** (depth - 1)}"
            )
        shape = {"channels": channels, "depth": depth, "hidden": hidden, "blocks": blocks}
        common = {"resolution": resolution, "encoding": encoding, "query_setback": query_setback}
        super().__init__(**common, config={**common, **shape})
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
        outputs: tuple[str, ...] = ("quality", "rotation", "width"),
    ) -> GraspField:
        """Logits, rows of unit quaternions (B, Q, 2, 3) and width at (B, Q, 3)."""
        check_points(points, outputs, self.outputs)
        at = read_planes(features, points)
        raw = {name: self.get_submodule(DECODERS[name][0])(points, at) for name in outputs}
        return published_field(raw, WORKSPACE_SIZE)
