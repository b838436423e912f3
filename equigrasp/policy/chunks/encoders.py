"""Encoders of observations, which run once for each, however many noised chunks belong to it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from equigrasp.diffusion.batch import flatten_samples, unflatten_samples
from equigrasp.policy.chunks.chunk_io import STATE_SIZES, Observed

GROUP = 8
"""Channels that are normalised together, within one picture."""


class StateEncoder(nn.Module):
    """Three layers on each state: little that M samples could save.

    Args:
        channels: of a token.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.layers = nn.Sequential(
            nn.Linear(STATE_SIZES["state"], wide),
            nn.SiLU(),
            nn.Linear(wide, wide),
            nn.SiLU(),
            nn.Linear(wide, channels),
        )

    def forward(self, seen: Observed) -> Tensor:
        """Tokens (B, O, channels)."""
        return self.layers(seen.state)


class ImageEncoder(nn.Module):
    """A residual network that looks for places in a picture.

    As published (arXiv 2303.04137, section III.B): group normalisation in place of batch
    normalisation, which would mix observations and does not go with averaged weights, and spatial
    softmax at the end, which keeps where things are.

    Args:
        channels: of a token.
        widths: of the stages, each half as fine as the one before; multiples of `GROUP`.
        crop: side of what is looked at, the middle of larger pictures.

    Raises:
        ValueError: a width that cannot be shared out in groups.
    """

    def __init__(self, channels: int, widths: Sequence[int], crop: int) -> None:
        super().__init__()
        widths = list(widths)
        if any(width % GROUP or width < GROUP for width in widths) or not widths:
            raise ValueError(f"image_widths are {list(widths)}; give multiples of {GROUP}")
        self.crop = crop
        first = nn.Conv2d(3, widths[0], 7, stride=2, padding=3)
        stages = [ResidualStage(a, b) for a, b in zip(widths, widths[1:], strict=False)]
        self.layers = nn.Sequential(first, _norm(widths[0]), nn.ReLU(), *stages)
        self.agent = nn.Linear(STATE_SIZES["image"], channels)
        self.places = nn.Linear(2 * widths[-1], channels)

    def forward(self, seen: Observed) -> Tensor:
        """Tokens (B, O, channels)."""
        images = middle(seen.image, self.crop)
        features = self.layers(flatten_samples(images) - 0.5)
        places = unflatten_samples(spatial_softmax(features), len(images))
        return self.agent(seen.state) + self.places(places)


class ResidualStage(nn.Module):
    """Two convolutions beside a shortcut, half as fine at the end.

    Args:
        before, after: channels.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(before, after, 3, stride=2, padding=1),
            _norm(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1),
            _norm(after),
        )
        self.shortcut = nn.Conv2d(before, after, 1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(n, before, H, W) -> (n, after, ceil(H / 2), ceil(W / 2))."""
        return torch.relu(self.shortcut(x) + self.layers(x))


def spatial_softmax(features: Tensor) -> Tensor:
    """Where each channel responds: mean places under the softmax over the picture.

    Args:
        features: (n, C, H, W).

    Returns:
        (n, 2 C): x of all channels from -1 to 1, then y.
    """
    height, width = features.shape[-2:]
    weights = features.flatten(2).softmax(-1).unflatten(-1, (height, width))
    x = torch.linspace(-1, 1, width, device=features.device, dtype=features.dtype)
    y = torch.linspace(-1, 1, height, device=features.device, dtype=features.dtype)
    return torch.cat([weights.sum(-2) @ x, weights.sum(-1) @ y], -1)


def middle(images: Tensor, side: int) -> Tensor:
    """The middle (..., side, side) of pictures (..., H, W)."""
    top, left = ((size - side) // 2 for size in images.shape[-2:])
    return images[..., top : top + side, left : left + side]


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(channels // GROUP, channels)
