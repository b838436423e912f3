"""Ordinary (not equivariant) parts of the published tri-plane networks, GIGA and IGD.

Layout, order of operations and registration follow the networks of convolutional occupancy networks
as GIGA uses them, so that published weights fit: planes are stored (second axis, first axis), and
pixel i of a plane stands at i / (N - 1), not at its voxel's centre.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.nn.volume import VolumeConv
from equigrasp.options import check_widest

PADDING = 1e-5
"""Coordinates are shrunk by this much so that the last pixel is not overrun."""


class Planes(NamedTuple):
    """Feature planes (B, C, second, first axis), named by their axes."""

    xz: Tensor
    xy: Tensor
    yz: Tensor


class DownBlock(nn.Module):
    """Two convolutions, each rectified."""

    def __init__(self, source: int, target: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(source, target, 3, padding=1)
        self.conv2 = nn.Conv2d(target, target, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, source, N, N) -> (B, target, N, N)."""
        return F.relu(self.conv2(F.relu(self.conv1(x))))


class UpBlock(nn.Module):
    """Transposed convolution, the skip joined, two convolutions, each rectified."""

    def __init__(self, source: int, target: int) -> None:
        super().__init__()
        self.upconv = nn.ConvTranspose2d(source, target, 2, stride=2)
        self.conv1 = nn.Conv2d(2 * target, target, 3, padding=1)
        self.conv2 = nn.Conv2d(target, target, 3, padding=1)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(B, source, N, N) and skip (B, target, 2N, 2N) -> (B, target, 2N, 2N)."""
        joined = torch.cat([self.upconv(x), skip], 1)
        return F.relu(self.conv2(F.relu(self.conv1(joined))))


class PlaneUNet(nn.Module):
    """UNet of `depth` resolutions that all planes share.

    Args:
        channels: of the planes, in and out, and of the first level; they double per level.
        depth: resolutions.
    """

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        widths = [channels * 2**level for level in range(depth)]
        self.down_convs = nn.ModuleList(
            DownBlock(source, target)
            for source, target in zip([channels, *widths], widths, strict=False)
        )
        self.up_convs = nn.ModuleList(
            UpBlock(source, target)
            for source, target in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.conv_final = nn.Conv2d(channels, channels, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.xavier_normal_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, N, N) -> the same shape; N is divisible by 2**(depth - 1)."""
        skips = []
        for level, block in enumerate(self.down_convs):
            x = block(x if level == 0 else F.max_pool2d(x, 2))
            skips.append(x)
        for block, skip in zip(self.up_convs, skips[-2::-1], strict=True):
            x = block(x, skip)
        return self.conv_final(x)


class PlaneEncoder(nn.Module):
    """TSDF (B, N, N, N) to three planes: one 3-D convolution, means over axes, a shared UNet."""

    def __init__(self, channels: int = 32, depth: int = 3) -> None:
        super().__init__()
        check_widest("channels", channels, depth)
        self.conv_in = VolumeConv(1, channels, 3)
        self.unet = PlaneUNet(channels, depth)

    def forward(self, tsdf: Tensor) -> Planes:
        """(B, N, N, N) -> three planes (B, channels, N, N)."""
        volume = F.relu(self.conv_in(tsdf.unsqueeze(1)))
        means = [volume.mean(axis).transpose(-1, -2) for axis in (3, 4, 2)]
        return Planes(*self.unet(torch.cat(means)).chunk(3))


def read_planes(planes: Planes, points: Tensor) -> Tensor:
    """Bilinear features (B, Q, 3 C) of the planes xz, xy, yz at points (B, Q, 3), normalised."""
    x, y, z = (2 * points / (1 + PADDING)).unbind(-1)
    found = []
    for plane, first, second in zip(planes, (x, x, y), (z, y, z), strict=True):
        grid = torch.stack([first, second], -1).unsqueeze(1).to(plane.dtype)
        values = F.grid_sample(plane, grid, padding_mode="border", align_corners=True)
        found.append(values.squeeze(2))
    return torch.cat(found, 1).transpose(1, 2)


class FullyConnectedBlock(nn.Module):
    """x + L1(relu(L0(relu(x)))), the identity at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc_0, self.fc_1 = nn.Linear(channels, channels), nn.Linear(channels, channels)
        nn.init.zeros_(self.fc_1.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(..., channels) -> the same shape."""
        return x + self.fc_1(F.relu(self.fc_0(F.relu(x))))


class PointDecoder(nn.Module):
    """Coordinates and point features to one quantity.

    Args:
        source: channels of the features.
        target: channels of the result.
        coordinates: channels of the coordinates.
        hidden, blocks: width and number of the residual blocks.
    """

    def __init__(
        self, source: int, target: int, *, coordinates: int = 3, hidden: int = 32, blocks: int = 5
    ) -> None:
        super().__init__()
        self.fc_p = nn.Linear(coordinates, hidden)
        self.fc_c = nn.ModuleList(nn.Linear(source, hidden) for _ in range(blocks))
        self.blocks = nn.ModuleList(FullyConnectedBlock(hidden) for _ in range(blocks))
        self.fc_out = nn.Linear(hidden, target)

    def forward(self, points: Tensor, features: Tensor) -> Tensor:
        """(..., target) of points (..., coordinates) with features (..., source)."""
        h = self.fc_p(points)
        for inject, block in zip(self.fc_c, self.blocks, strict=True):
            h = block(h + inject(features))
        return self.fc_out(F.relu(h))
