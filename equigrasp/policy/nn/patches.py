"""A cloud as a hundred-odd tokens: patches around points that are far from each other.

3D Diffuser Actor (arXiv 2402.10885) lifts frozen CLIP features of image patches to 3-D. Nothing is
downloaded here, so a small network that learns with the policy reads patches of the cloud itself.
Their centres come from farthest point sampling, with which the published code thins its tokens.
Unlike the cells of a grid they are equally many in every scene, so batches are dense, and a lone
small object gets a token before a large surface gets its second hundred.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from equigrasp.diffusion.batch import pick_samples
from equigrasp.policy.nn.point_encoder import Points

REACH = 0.05
"""Points farther than this (m) from the centre of a patch are none of its own."""


@torch.no_grad()
def farthest_points(xyz: Tensor, mask: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Points that are far from each other, starting with the one farthest from the mean.

    The first T of them are the same whatever `count` is, and the order of the cloud matters only
    where two points are equally far.

    Args:
        xyz: (B, N, 3) metres.
        mask: (B, N) bool, True for points.
        count: T, at most so many are taken; all points where there are fewer.

    Returns:
        indices (B, min(T, N)) and a mask of the same shape, False where the cloud had no more.
    """
    count = min(count, xyz.shape[1])
    total = mask.sum(1, keepdim=True).clamp(min=1).unsqueeze(-1)
    mean = xyz.masked_fill(~mask.unsqueeze(-1), 0.0).sum(1, keepdim=True) / total
    # The first point is the one farthest from the mean. The mean itself is not a chosen point, so
    # the distances to it are not kept.
    index = _gap(xyz, mean, mask).argmax(1, keepdim=True)
    chosen, nearest = [index], torch.full_like(xyz[..., 0], torch.inf)
    for _ in range(count - 1):
        nearest = torch.minimum(nearest, _gap(xyz, take(xyz, chosen[-1]), mask))
        chosen.append(nearest.argmax(1, keepdim=True))
    present = torch.arange(count, device=mask.device) < mask.sum(1, keepdim=True)
    return torch.cat(chosen, 1), present


def _gap(xyz: Tensor, point: Tensor, mask: Tensor) -> Tensor:
    """Squared distances (B, N) to a point (B, 1, 3); what is not there is never the farthest."""
    return (xyz - point).square().sum(-1).masked_fill(~mask, -1.0)


def take(x: Tensor, index: Tensor) -> Tensor:
    """Rows (B, ..., C) of x (B, N, C) by their numbers (B, ...)."""
    return pick_samples(x, index.flatten(1)).view(*index.shape, x.shape[-1])


class PatchEncoder(nn.Module):
    """Features of patches: a network of every point of a patch, and the largest of its answers.

    Args:
        channels: of the tokens.
        tokens: patches of a scene at most.
        neighbours: points of a patch at most, nearest to its centre; patches overlap.
        table_top: height (m) that counts as zero.

    Raises:
        ValueError: no patches, or none of their points.
    """

    def __init__(
        self, channels: int, *, tokens: int = 160, neighbours: int = 16, table_top: float = 0.75
    ) -> None:
        super().__init__()
        if tokens < 1 or neighbours < 1:
            raise ValueError(f"tokens is {tokens}, neighbours {neighbours}; both must be positive")
        self.tokens, self.neighbours, self.table_top = tokens, neighbours, table_top
        self.read = nn.Sequential(
            nn.Linear(7, channels // 2), nn.GELU(), nn.Linear(channels // 2, channels)
        )
        self.out_projection = nn.Sequential(nn.GELU(), nn.Linear(channels, channels))

    def forward(self, xyz: Tensor, rgb: Tensor, mask: Tensor) -> Points:
        """Tokens at the centres of patches; they depend on horizontal positions by offsets alone.

        Args:
            xyz: (B, N, 3) metres in the world.
            rgb: (B, N, 3) in [-1, 1].
            mask: (B, N) bool, True for points.
        """
        index, present = farthest_points(xyz, mask, self.tokens)
        centres = take(xyz, index)
        around = self._neighbours(centres, xyz, mask)
        there = take(xyz, around)
        height = 5 * (there[..., 2:] - self.table_top)
        offset = (there - centres.unsqueeze(2)) / REACH
        points = self.read(torch.cat([offset, take(rgb, around), height], -1))
        tokens = self.out_projection(points.amax(2)).masked_fill(~present.unsqueeze(-1), 0.0)
        return Points(tokens, centres, present)

    @torch.no_grad()
    def _neighbours(self, centres: Tensor, xyz: Tensor, mask: Tensor) -> Tensor:
        """Indices (B, T, k) of the points nearest to centres (B, T, 3)."""
        gaps = torch.cdist(centres, xyz).masked_fill(~mask.unsqueeze(1), torch.inf)
        nearest = gaps.topk(min(self.neighbours, xyz.shape[1]), -1, largest=False)
        # A point that is too far is replaced by the nearest one; repeating that changes no maximum.
        return torch.where(nearest.values > REACH, nearest.indices[..., :1], nearest.indices)
