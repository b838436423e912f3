"""A transformer over the actions of a chunk, which look at each other and at the observation.

The published one (arXiv 2303.04137) attends in two steps, to the chunk and then to the observation;
here one softmax goes over both, and the step of the diffusion enters by adaptive layer norm.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from equigrasp.diffusion.attention import TwoLevelAttention
from equigrasp.diffusion.modulation import AdaptiveLayerNorm, Shared
from equigrasp.policy.chunks.chunk_io import ACTION

Memory = list[tuple[Tensor, Tensor]]
"""Keys and values (B, H, O, d) of the observations, for every layer."""


class ChunkTransformer(nn.Module):
    """Denoiser of chunks.

    Args:
        observed: O, tokens of an observation.
        channels: width of all tokens.
        layers: number of them.
        heads: of attention.
        horizon: L, actions of a chunk.
    """

    def __init__(self, observed: int, channels: int, layers: int, heads: int, horizon: int) -> None:
        super().__init__()
        self.enter = nn.Linear(ACTION, channels)
        self.places = nn.Parameter(0.02 * torch.randn(horizon, channels))
        self.moments = nn.Parameter(0.02 * torch.randn(observed, channels))
        self.layers = nn.ModuleList(ChunkLayer(channels, heads) for _ in range(layers))
        self.norm = AdaptiveLayerNorm(channels, channels)
        self.leave = nn.Linear(channels, ACTION)

    def remember(self, tokens: Tensor) -> Memory:
        """What samples need of observations (B, O, channels)."""
        placed = tokens + self.moments
        return [layer.remember(placed) for layer in self.layers]

    def forward(self, memory: Memory, noised: Tensor, moment: Shared) -> Tensor:
        """What is predicted at samples (B, M, L, 2), see `ChunkUNet.forward`."""
        x = self.enter(noised) + self.places
        for layer, remembered in zip(self.layers, memory, strict=True):
            x = layer(x, remembered, moment)
        return self.leave(self.norm(x, moment))


class ChunkLayer(nn.Module):
    """Attention and a network of two layers, each beside a shortcut.

    Args:
        channels: width of tokens.
        heads: of attention.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm = AdaptiveLayerNorm(channels, channels)
        self.norm_seen = nn.LayerNorm(channels)
        self.attention = TwoLevelAttention(channels, heads)
        self.norm_after = AdaptiveLayerNorm(channels, channels)
        hidden = 4 * channels
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels)
        )

    def remember(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of observations (B, O, channels)."""
        return self.attention.remember(self.norm_seen(tokens))

    def forward(self, x: Tensor, memory: tuple[Tensor, Tensor], moment: Shared) -> Tensor:
        """Samples (B, M, L, channels) one layer on."""
        x = x + self.attention.samples(self.norm(x, moment), memory)
        return x + self.mlp(self.norm_after(x, moment))
