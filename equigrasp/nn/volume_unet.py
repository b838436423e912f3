"""A steerable 3-D UNet in place of the tri-plane: everything stays a volume.

Fields turn about the vertical as on the table plane, filters are 3x3x3, and points are read
trilinearly. Exact like the planes, without their averaging, and many times their arithmetic, which
is why the published networks have planes (arXiv 2507.18847, Table IV, row 3).
`benchmarks/encoders.py` measures both.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.nn.blocks import FieldNorm
from equigrasp.nn.fields import FieldType
from equigrasp.nn.kernel_basis import BasisBank
from equigrasp.nn.steerable import SteerableConv
from equigrasp.perception.tsdf import ENCODINGS


class VolumeFeatures(NamedTuple):
    """Regular fields of scenes, (B, C, X, Y, Z)."""

    volume: Tensor


class VolumeBlock(nn.Module):
    """Two convolutions, each normalised and rectified."""

    def __init__(self, source: FieldType, target: FieldType, bank: BasisBank) -> None:
        super().__init__()
        options = {"bias": False, "gain": 2.0, "ndim": 3}
        self.first = SteerableConv(source, target, 3, bank, **options)
        self.second = SteerableConv(target, target, 3, bank, **options)
        self.norm_first, self.norm_second = FieldNorm(target), FieldNorm(target)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, N, N, N) of type `source` -> (B, C', N, N, N) of type `target`."""
        x = F.relu(self.norm_first(self.first(x)))
        return F.relu(self.norm_second(self.second(x)))


class VolumeEncoder(nn.Module):
    """TSDF to a volume of regular fields; the same calls as `TriPlaneEncoder`.

    Args:
        fields: regular fields at full resolution; doubled at every level.
        depth: resolutions; the grid must be divisible by 2**(depth - 1) and even throughout.
        encoding: TSDF encoding, "full" or "published".
        bank: where kernel bases come from.
    """

    exact = True

    def __init__(self, fields: int, depth: int, encoding: str, bank: BasisBank) -> None:
        super().__init__()
        self.scale, self.offset = ENCODINGS[encoding]
        kinds = [FieldType("C4", regular=fields * 2**level) for level in range(depth)]
        self.point_field = kinds[0]
        self.lift = SteerableConv(FieldType("C4", trivial=2), kinds[0], 3, bank, gain=2.0, ndim=3)
        sources = [kinds[0], *kinds]
        self.down = nn.ModuleList(
            VolumeBlock(source, target, bank)
            for source, target in zip(sources, kinds, strict=False)
        )
        self.up = nn.ModuleList(
            VolumeBlock(FieldType("C4", regular=deep.regular + high.regular), high, bank)
            for deep, high in zip(kinds[:0:-1], kinds[-2::-1], strict=True)
        )

    def forward(self, tsdf: Tensor) -> VolumeFeatures:
        """tsdf (B, N, N, N) in [0, 1] -> fields of the same size."""
        near = 4 * tsdf * (1 - tsdf)
        x = F.relu(self.lift(torch.stack([self.scale * tsdf + self.offset, near], 1)))
        skips = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool3d(x, 2) if level else x)
            skips.append(x)
        skips.pop()
        for block in self.up:
            x = F.interpolate(x, scale_factor=2, mode="trilinear", align_corners=False)
            x = block(torch.cat([x, skips.pop()], 1))
        return VolumeFeatures(x)

    def at(self, features: VolumeFeatures, points: Tensor) -> Tensor:
        """Features (B, Q, C) of type `point_field` at normalised points (B, Q, 3)."""
        grid = 2 * points.flip(-1)[:, :, None, None].to(features.volume.dtype)
        values = F.grid_sample(features.volume, grid, padding_mode="border", align_corners=False)
        return values.flatten(2).transpose(1, 2)
