"""A chunk as one vector, through residual layers: the denoiser that costs least.

It is the one of DPPO's policies (arXiv 2409.00588), a hundredth of a U-Net's arithmetic, so that an
encoder of pictures outweighs many samples of it.
"""

from __future__ import annotations

from torch import Tensor, nn

from equigrasp.diffusion.modulation import AdaptiveLayerNorm, Shared
from equigrasp.policy.chunks.chunk_io import ACTION


class ChunkMLP(nn.Module):
    """Denoiser of chunks.

    Args:
        observed: O, tokens of an observation.
        channels: of a token, and of the contexts.
        hidden: width of the layers.
        layers: number of them.
        horizon: L, actions of a chunk.
    """

    def __init__(
        self, observed: int, channels: int, hidden: int, layers: int, horizon: int
    ) -> None:
        super().__init__()
        self.observation = nn.Linear(observed * channels, channels)
        self.enter = nn.Linear(horizon * ACTION, hidden)
        self.norms = nn.ModuleList(AdaptiveLayerNorm(channels, hidden) for _ in range(layers))
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
            for _ in range(layers)
        )
        self.leave = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, horizon * ACTION))

    def remember(self, tokens: Tensor) -> Tensor:
        """What samples need of observations (B, O, channels): (B, 1, channels)."""
        return self.observation(tokens.flatten(1)).unsqueeze(1)

    def forward(self, memory: Tensor, noised: Tensor, moment: Shared) -> Tensor:
        """What is predicted at samples (B, M, L, 2), see `ChunkUNet.forward`."""
        x = self.enter(noised.flatten(2))
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = x + layer(norm(x.unsqueeze(2), memory, moment).squeeze(2))
        return self.leave(x).unflatten(-1, noised.shape[2:])
