"""EquiGIGA: tri-plane grasp field, exactly equivariant to quarter turns of the workspace.

After "Equivariant Volumetric Grasping" (arXiv 2507.18847), with side planes, deformable layers,
registration and rotation head changed where the published ones break the symmetry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from equigrasp.geometry.rotations import gram_schmidt
from equigrasp.hand import PANDA, Hand
from equigrasp.models.base import GRASP_OUTPUTS, LIMITS, GraspField, GraspModel, check_points
from equigrasp.nn.fields import FieldType
from equigrasp.nn.heads import Head
from equigrasp.nn.kernel_basis import BasisBank, model_bank
from equigrasp.nn.layers import LAYERS, Layers
from equigrasp.nn.plain import PointDecoder
from equigrasp.nn.planes import TriPlane
from equigrasp.nn.triplane import TriPlaneEncoder
from equigrasp.nn.volume_unet import VolumeEncoder, VolumeFeatures
from equigrasp.options import records_options
from equigrasp.workspace import WORKSPACE

HEAD_TYPES = {
    "quality": FieldType("C4", trivial=1),
    "rotation": FieldType("C4", vector=3),
    "width": FieldType("C4", trivial=1),
    "occupancy": FieldType("C4", trivial=1),
}


CHOICES = {
    "backbone": ("planes", "volume"),
    "head": ("steerable", "plain"),
    "rows": ("polar", "gram_schmidt"),
}


@records_options(
    exclude=("bank",),
    limits={**LIMITS, "fields": (1, 256), "depth": (1, 6), "head_fields": (1, 256)}
    | {"head_blocks": (0, 32)},
)
class EquiGIGA(GraspModel):
    """Scene encoder and four equivariant heads.

    Args:
        resolution: voxels per side, divisible by 2**(depth - 1); 40 as published, 60 is finer.
        encoding: TSDF encoding, "full" (tells free from unobserved) or "published".
        query_setback: metres from the tip back to the query point; 0.05 is the finger root.
        fields: regular fields at full resolution (8 fields are 32 channels).
        depth: resolutions of the UNets.
        side_features: "induced" or "sum" (exact), "plain" (published, not exact).
        deform: "none", "orbit" or "full", of all planes.
        deform_xy, deform_side: the same of the table plane ("published" as well) and of the side
            planes apart; None stands for `deform`.
        norm: "group", "none" (not inside the UNets) or "nowhere".
        exchange: whether the planes tell each other what they see, at every level.
        layers: further choices in which the published encoder differs, see `Layers`.
        backbone: "planes", or "volume", a steerable 3-D UNet, of which `side_features`, `deform`,
            `norm`, `exchange` and `layers` say nothing.
        head_fields: regular fields of the heads' hidden layers.
        head_blocks: residual blocks of the heads.
        head: "steerable", or "plain", ordinary decoders of the same width (not exact).
        rows: how the rotation's rows become orthonormal, "polar", or "gram_schmidt" (published, not
            exact).
        hand, workspace_side, table_height: see `GraspModel`.
        bank: kernel bases saved with a model; without them escnn computes them.
    """

    name: ClassVar[str] = "equigiga"

    def __init__(
        self,
        resolution: int = 40,
        encoding: str = "full",
        query_setback: float = PANDA.finger_depth,
        fields: int = 8,
        depth: int = 3,
        side_features: str = "induced",
        deform: str = "none",
        deform_xy: str | None = None,
        deform_side: str | None = None,
        norm: str = "group",
        exchange: bool = True,
        layers: Mapping[str, Any] = LAYERS,
        backbone: str = "planes",
        head_fields: int = 16,
        head_blocks: int = 5,
        head: str = "steerable",
        rows: str = "polar",
        hand: Hand | Mapping[str, Any] = PANDA,
        workspace_side: float = WORKSPACE.side,
        table_height: float = WORKSPACE.table_height,
        bank: BasisBank | None = None,
    ) -> None:
        super().__init__(resolution, encoding, query_setback, hand, workspace_side, table_height)
        self.bank = model_bank(bank, layers)
        for option, value in (("backbone", backbone), ("head", head), ("rows", rows)):
            if value not in CHOICES[option]:
                raise ValueError(f"{option} is {value!r}; use one of {CHOICES[option]}")
        self.rows = rows
        self.encoder = (
            VolumeEncoder(fields, depth, encoding, self.bank)
            if backbone == "volume"
            else TriPlaneEncoder(
                resolution,
                fields=fields,
                depth=depth,
                side_features=side_features,
                deform_xy=deform if deform_xy is None else deform_xy,
                deform_side=deform if deform_side is None else deform_side,
                norm=norm,
                encoding=encoding,
                exchange=exchange,
                layers=Layers.of(layers),
                bank=self.bank,
            )
        )
        self.steerable = head == "steerable"
        self.heads = nn.ModuleDict(
            {
                output: self._head(target, head_fields, head_blocks)
                for output, target in HEAD_TYPES.items()
            }
        )

    def _head(self, target: FieldType, fields: int, blocks: int) -> nn.Module:
        """Decoder of one output."""
        here = self.encoder.point_field
        if self.steerable:
            return Head(here, target, self.bank, fields=fields, blocks=blocks)
        return PointDecoder(here.channels, target.channels, hidden=4 * fields, blocks=blocks)

    @property
    def exact(self) -> bool:
        """Commutes with quarter turns unless told otherwise: plain side features, plain heads and
        Gram-Schmidt do not."""
        return self.encoder.exact and self.steerable and self.rows == "polar"

    def encode(self, tsdf: Tensor) -> TriPlane | VolumeFeatures:
        """Planes of scenes (B, N, N, N)."""
        self.check_tsdf(tsdf)
        return self.encoder(tsdf)

    def query_raw(
        self,
        features: TriPlane | VolumeFeatures,
        points: Tensor,
        outputs: tuple[str, ...] = GRASP_OUTPUTS,
    ) -> GraspField:
        """Logits, unconstrained rotation rows (B, Q, 2, 3) and unclamped width at (B, Q, 3)."""
        check_points(points, outputs)
        at = self.encoder.at(features, points)
        inputs = (at,) if self.steerable else (points, at)
        raw = {output: self.heads[output](*inputs) for output in outputs}
        if "rotation" in raw:  # three horizontal vectors, one per gripper axis -> two rows
            raw["rotation"] = raw["rotation"].unflatten(-1, (3, 2)).transpose(-1, -2)
            if self.rows == "gram_schmidt":  # what comes after leaves orthonormal rows alone
                raw["rotation"] = gram_schmidt(raw["rotation"])
        if "width" in raw:  # a unit step of the head is a quarter of the full opening
            raw["width"] = self.hand.opening * (0.5 + 0.25 * raw["width"])
        scalars = {k: v if k == "rotation" else v.squeeze(-1) for k, v in raw.items()}
        return GraspField(**scalars)
