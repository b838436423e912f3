"""The scene encoder: TSDF volume -> lifted regular fields -> three planes -> tri-plane UNet."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from equigrasp.nn.blocks import FieldNorm
from equigrasp.nn.fields import FieldType
from equigrasp.nn.kernel_basis import BasisBank
from equigrasp.nn.layers import Layers
from equigrasp.nn.lift import Lift
from equigrasp.nn.plain import PADDING
from equigrasp.nn.planes import TriPlane, sample_plane
from equigrasp.nn.side import side_rule
from equigrasp.nn.unet import OURS, TriPlaneUNet
from equigrasp.options import check_widest
from equigrasp.perception.tsdf import ENCODINGS, check_encoding


class TriPlaneEncoder(nn.Module):
    """Encode a TSDF into three feature planes, equivariantly unless `side_features` is "plain".

    Args:
        resolution: voxels per side; divisible by 2**(depth - 1) and even at every pooled level.
        fields: regular fields at full resolution.
        depth: resolutions of the UNets.
        side_features: "induced", "sum" or "plain".
        deform_xy, deform_side: of the table plane and the side planes, see `TriPlaneUNet`.
        norm: "group", "none" (not inside the UNets) or "nowhere".
        encoding: TSDF encoding, "full" or "published".
        exchange: whether the planes tell each other what they see.
        bank: where kernel bases come from.
        layers: further choices.
    """

    def __init__(
        self,
        resolution: int,
        *,
        fields: int,
        depth: int,
        side_features: str,
        deform_xy: str,
        deform_side: str,
        norm: str,
        encoding: str,
        bank: BasisBank,
        exchange: bool = True,
        layers: Layers = OURS,
    ) -> None:
        super().__init__()
        self.layers, bank = layers, bank.of_kernels(layers.kernels)
        self.rule = side_rule(side_features)
        _check(resolution, depth, encoding)
        check_widest("fields", fields, depth, 1024)
        self.fields, self.resolution = fields, resolution
        self.scale, self.offset = ENCODINGS[encoding]
        lift = partial(Lift, 1 if layers.inputs == "value" else 2, fields, bank)
        self.lift, self.lift_sides = lift(), lift() if layers.lifting == "separate" else None
        side_in = self.rule.input_field(fields)
        # a projected scalar field is normalised as a type of its own: one scale per channel
        scalars = FieldType("C1", trivial=side_in.trivial) if side_in.trivial else side_in
        self.norm_xy, self.norm_side = (
            nn.Identity() if norm == "nowhere" else FieldNorm(kind)
            for kind in (FieldType("C4", regular=fields), scalars)
        )
        self.unet = TriPlaneUNet(
            fields,
            depth,
            self.rule,
            bank,
            deform_xy=deform_xy,
            deform_side=deform_side,
            norm=norm,
            exchange=exchange,
            layers=layers,
        )

    @property
    def exact(self) -> bool:
        """Whether it commutes with quarter turns."""
        return self.rule.exact

    @property
    def point_field(self) -> FieldType:
        """Type of the features returned by `at`."""
        side = self.rule.point_field(self.rule.output_field(self.fields))
        return FieldType("C4", regular=self.fields + side.regular, trivial=side.trivial)

    def forward(self, tsdf: Tensor) -> TriPlane:
        """tsdf (B, N, N, N) in [0, 1] -> feature planes."""
        seen = self.voxel_features(tsdf)
        means = self.lift(seen)
        xy = self.norm_xy(means.over_z)
        if self.lift_sides is not None:
            means = self.lift_sides(seen)
        sides = self.rule.project(means.over_x, means.over_y, self.fields)
        sides = self.norm_side(torch.cat(sides))
        xy, sides = self.unet(xy, sides)
        return TriPlane(xy, *sides.chunk(2))

    def voxel_features(self, tsdf: Tensor) -> Tensor:
        """Centred value and closeness to the surface (B, 2, N, N, N), or the value as it is."""
        if self.layers.inputs == "value":
            return tsdf.unsqueeze(1)
        near = 4 * tsdf * (1 - tsdf)  # 1 on the surface, 0 in free and in unobserved space
        return torch.stack([self.scale * tsdf + self.offset, near], 1)

    def at(self, planes: TriPlane, points: Tensor) -> Tensor:
        """Features (B, Q, C) of type `point_field` at normalised points (B, Q, 3)."""
        x, y, z = points.unbind(-1)
        if corners := self.layers.corners:
            x, y, z = (points / (1 + PADDING)).unbind(-1)
        sample = partial(sample_plane, corners=corners)
        a, b = sample(planes.side_a, x, z), sample(planes.side_b, y, z)
        joined = self.rule.join(a, b, self.rule.output_field(self.fields), dim=2)
        return torch.cat([sample(planes.xy, x, y), joined], 2)


def _check(resolution: int, depth: int, encoding: str) -> None:
    check_encoding(encoding)
    step = 2 ** (depth - 1)
    if depth < 1 or resolution <= 0 or resolution % (2 * step if depth == 1 else step):
        raise ValueError(
            f"resolution {resolution} does not stay even through {depth} levels; "
            f"use a multiple of {max(step, 2)}"
        )
