"""Points and words to features of points at several scales: what is computed once per observation.

A U-Net of transformers over points in Morton order: neighbours on the curve are near in space, so
attention runs within patches of the sequence and pooling joins groups of it. Positions enter by
rotary codes on queries and keys; words and the state of the gripper by cross-attention at every
scale. After PointTransformer V3 and "Mini Diffuser" (arXiv 2505.09430), in plain torch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.diffusion.attention import TwoLevelAttention
from equigrasp.diffusion.batch import pick_samples, repeat_conditions
from equigrasp.policy.nn.alike import ALIKE, alike_surroundings
from equigrasp.policy.nn.point_features import DESCRIBED, describe_points
from equigrasp.policy.nn.rotary import rotate_by_position

GROUP = 4
"""Points that pooling joins."""
MORTON_BITS, MORTON_CELL = 10, 0.005
"""Cells of the Morton curve along each axis (a power of two), and their side, m."""


class Points(NamedTuple):
    """Features at one scale.

    Attributes:
        features: (B, N, C), zero where masked.
        xyz: (B, N, 3) metres.
        mask: (B, N) bool, True for points.
    """

    features: Tensor
    xyz: Tensor
    mask: Tensor


class Context(NamedTuple):
    """Words and state that every point may look at.

    Attributes:
        tokens: (B, T, C).
        mask: (B, T) bool, True for tokens; at least one in every row.
    """

    tokens: Tensor
    mask: Tensor


def morton_order(xyz: Tensor, mask: Tensor) -> Tensor:
    """Indices (B, N) that sort points (B, N, 3) along a Morton curve, masked ones last.

    The curve starts at the lowest corner of each cloud and has cells of `MORTON_CELL`.
    """
    low = xyz.masked_fill(~mask.unsqueeze(-1), torch.inf).amin(1, keepdim=True)
    low = torch.where(low.isfinite(), low, 0.0)
    cells = ((xyz - low) / MORTON_CELL).long().clamp(0, 2**MORTON_BITS - 1)
    keys = torch.zeros_like(cells[..., 0])
    for bit in range(MORTON_BITS):
        for axis in range(3):
            keys |= ((cells[..., axis] >> bit) & 1) << (3 * bit + axis)
    return keys.masked_fill(~mask, 2 ** (3 * MORTON_BITS)).argsort(stable=True, dim=1)


class CrossAttention(nn.Module):
    """Tokens attend to a context of another width.

    Args:
        channels: of the tokens.
        context: channels of the context's tokens.
        heads: must divide `channels`.
    """

    def __init__(self, channels: int, context: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.query, self.out_projection = (
            nn.Linear(channels, channels),
            nn.Linear(channels, channels),
        )
        self.memory = nn.Linear(context, 2 * channels)

    def forward(self, tokens: Tensor, context: Context) -> Tensor:
        """Tokens (B, N, channels) plus what each has seen of the context, of the same shape."""
        query = self.query(self.norm(tokens)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        memory = self.memory(context.tokens).unflatten(-1, (2, self.heads, -1))
        key, value = memory.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(
            query, key, value, attn_mask=context.mask[:, None, None]
        )
        return tokens + self.out_projection(seen.transpose(1, 2).flatten(2))


class PointBlock(nn.Module):
    """Attention within patches, attention to the context, and an MLP; pre-normalised residuals.

    Args:
        channels: of the points' features.
        context: channels of the context's tokens.
        heads: must divide `channels`.
        patch: how many points, in their order, attend to each other.
        rope: whether scores depend on where points are to each other.
    """

    def __init__(
        self, channels: int, context: int, heads: int, patch: int, rope: bool = True
    ) -> None:
        super().__init__()
        self.patch, self.rope = patch, rope
        self.norm, self.norm_out = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = TwoLevelAttention(channels, heads)
        self.context = CrossAttention(channels, context, heads)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )

    def forward(self, points: Points, context: Context) -> Points:
        """The same points with new features."""
        x = points.features
        x = x + self._within_patches(self.norm(x), points)
        x = self.context(x, context)
        x = x + self.mlp(self.norm_out(x))
        return points._replace(features=x.masked_fill(~points.mask.unsqueeze(-1), 0.0))

    def _within_patches(self, x: Tensor, points: Points) -> Tensor:
        batch, count, _ = x.shape
        size = min(self.patch, count)
        missing = -count % size
        tokens, xyz = (F.pad(t, (0, 0, 0, missing)) for t in (x, points.xyz))
        mask = F.pad(points.mask, (0, missing))
        tokens, xyz = (t.reshape(-1, size, t.shape[-1]) for t in (tokens, xyz))
        mask = mask.reshape(-1, size).clone()
        # The softmax of a patch without points would be NaN; its first place counts as a point.
        mask[:, 0] |= ~mask.any(1)
        places = xyz.unsqueeze(1)
        rotate = (lambda t: rotate_by_position(t, places)) if self.rope else None
        out, _ = self.attention.condition(tokens, mask, rotate)
        return out.reshape(batch, count + missing, -1)[:, :count]


class PointEncoder(nn.Module):
    """U-Net over a cloud.

    Args:
        context: channels of the context's tokens.
        widths: channels at every scale, fine to coarse; multiples of `head_channels`.
        head_channels: of each attention head.
        patch: points that attend to each other.
        table_top: height (m) that counts as zero.
        rope: see `PointBlock`; without it, points know their places from `describe_points` alone.
        marks: numbers that are known of every point beforehand.
        alike: whether points know their surroundings in their own colour, see `alike_surroundings`.

    Attributes:
        described: how many numbers are known of a point by itself, beforehand, and of its
            surroundings in its own colour.

    Raises:
        ValueError: a width is no multiple of `head_channels`.
    """

    def __init__(
        self,
        context: int,
        *,
        widths: tuple[int, ...] = (64, 128, 192),
        head_channels: int = 32,
        patch: int = 128,
        table_top: float = 0.75,
        rope: bool = True,
        marks: int = 0,
        alike: bool = False,
    ) -> None:
        super().__init__()
        if bad := [width for width in widths if width % head_channels]:
            raise ValueError(f"width {bad[0]} is no multiple of head_channels={head_channels}")
        self.widths, self.table_top = tuple(widths), table_top
        self.described = (DESCRIBED, marks, ALIKE if alike else 0)

        def block(width: int) -> PointBlock:
            return PointBlock(width, context, width // head_channels, patch, rope)

        self.in_projection = nn.Sequential(
            nn.Linear(sum(self.described), widths[0]), nn.GELU(), nn.Linear(widths[0], widths[0])
        )
        self.down_blocks = nn.ModuleList(block(width) for width in widths)
        steps = list(zip(widths, widths[1:], strict=False))
        self.pool = nn.ModuleList(nn.Linear(fine, coarse) for fine, coarse in steps)
        self.unpool = nn.ModuleList(nn.Linear(coarse, fine) for fine, coarse in steps)
        self.up_blocks = nn.ModuleList(block(width) for width in widths[:-1])

    def forward(
        self,
        xyz: Tensor,
        rgb: Tensor,
        mask: Tensor,
        tip: Tensor,
        context: Context,
        marks: Tensor | None = None,
    ) -> list[Points]:
        """Features at every scale, coarse to fine.

        Args:
            xyz: (B, N, 3) metres in the world.
            rgb: (B, N, 3) in [-1, 1].
            mask: (B, N) bool, True for points.
            tip: (B, 3) metres, where the gripper is.
            context: what points may look at.
            marks: (B, N, `marks`) known of the points beforehand; None stands for none.
        """
        marks = xyz[..., :0] if marks is None else marks
        order = morton_order(xyz, mask)
        xyz, rgb, marks = (pick_samples(t, order) for t in (xyz, rgb, marks))
        mask = mask.gather(1, order)
        missing = -xyz.shape[1] % GROUP ** (len(self.widths) - 1)
        xyz, rgb, marks = (F.pad(t, (0, 0, 0, missing)) for t in (xyz, rgb, marks))
        mask = F.pad(mask, (0, missing))
        known = [describe_points(xyz, rgb, mask, tip, self.table_top), marks]
        if self.described[-1]:
            known.append(alike_surroundings(xyz, rgb, mask))
        known = torch.cat(known, -1)
        features = self.in_projection(known).masked_fill(~mask.unsqueeze(-1), 0.0)
        points = Points(features, xyz, mask)
        scales: list[Points] = []
        for level, block in enumerate(self.down_blocks):
            points = block(points, context)
            scales.append(points)
            if level < len(self.pool):
                points = pool_groups(points, self.pool[level])
        result = [scales.pop()]
        for level in reversed(range(len(self.unpool))):
            fine = scales.pop()
            coarse = self.unpool[level](result[-1].features)
            added = repeat_conditions(coarse, GROUP, levels=2).flatten(1, 2)
            joined = fine._replace(
                features=(fine.features + added).masked_fill(~fine.mask.unsqueeze(-1), 0.0)
            )
            result.append(self.up_blocks[level](joined, context))
        return result


def pool_groups(points: Points, linear: nn.Module) -> Points:
    """Every `GROUP` neighbours along the curve as one point: their mean, features through `linear`.

    Groups without points are masked.
    """
    weight = points.mask.unsqueeze(-1).unflatten(1, (-1, GROUP)).to(points.xyz)
    total = weight.sum(2).clamp(min=1.0)
    features = (points.features.unflatten(1, (-1, GROUP)) * weight).sum(2) / total
    xyz = (points.xyz.unflatten(1, (-1, GROUP)) * weight).sum(2) / total
    mask = points.mask.unflatten(1, (-1, GROUP)).any(2)
    return Points(linear(features).masked_fill(~mask.unsqueeze(-1), 0.0), xyz, mask)
