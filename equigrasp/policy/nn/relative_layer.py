"""Attention by relative position of a two-level batch: one layer for a scene and for its samples.

3D Diffuser Actor (arXiv 2402.10885) lets the noised pose and the scene attend to each other, so its
scene is computed again for every pose and step. With the mask of "Mini Diffuser" (arXiv 2505.09430)
the scene sees only itself: the same weights run over it once, and over every sample with what they
remember of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from equigrasp.diffusion.attention import TwoLevelAttention
from equigrasp.diffusion.modulation import AdaptiveLayerNorm, Shared
from equigrasp.policy.nn.point_encoder import Points
from equigrasp.policy.nn.rotary import rotate_by_position

KeyValue = tuple[Tensor, Tensor]
"""Keys, turned by position, and values (B, H, N, d) of a scene."""


class RelativeLayer(nn.Module):
    """Attention and MLP, pre-normalised and modulated; scores depend on relative positions.

    Args:
        channels: width of tokens and of what modulates them.
        heads: must divide `channels`, with at least 6 channels each.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.attention = TwoLevelAttention(channels, heads)
        self.norm = AdaptiveLayerNorm(channels, channels)
        self.norm_out = AdaptiveLayerNorm(channels, channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 2 * channels), nn.ReLU(), nn.Linear(2 * channels, channels)
        )

    def condition(self, scene: Points, context: Tensor) -> tuple[Points, KeyValue]:
        """New features of a scene, once for all its samples, and what these need of it.

        Args:
            scene: tokens (B, N, channels).
            context: (B, channels) that modulates the scene. The samples' times are no part of it,
                since all samples share the scene.
        """
        places, x = scene.xyz.unsqueeze(1), scene.features
        seen, memory = self.attention.condition(
            _modulated(self.norm, x, context), scene.mask, lambda t: rotate_by_position(t, places)
        )
        x = x + seen
        x = x + self.mlp(_modulated(self.norm_out, x, context))
        return scene._replace(features=x.masked_fill(~scene.mask.unsqueeze(-1), 0.0)), memory

    def remember(self, scene: Points, context: Tensor) -> KeyValue:
        """The second result of `condition` alone, for a scene that no later layer reads."""
        places = scene.xyz.unsqueeze(1)
        return self.attention.remember(
            _modulated(self.norm, scene.features, context), lambda t: rotate_by_position(t, places)
        )

    def samples(
        self,
        tokens: Tensor,
        positions: Tensor,
        contexts: Sequence[Tensor | Shared],
        memory: KeyValue,
        mask: Tensor,
    ) -> Tensor:
        """New features (B, M, channels) of samples.

        Args:
            tokens: (B, M, channels), one of each sample.
            positions: (B, M, 3) metres in the world.
            contexts: that modulate each sample, see `equigrasp.diffusion.modulation.FiLM`.
            memory: of their scenes, see `condition`.
            mask: (B, N) bool of the scenes' tokens.
        """
        places, x = positions[:, None, :, None], tokens.unsqueeze(2)
        x = x + self.attention.samples(
            self.norm(x, *contexts), memory, mask, lambda t: rotate_by_position(t, places)
        )
        return (x + self.mlp(self.norm_out(x, *contexts))).squeeze(2)


def _modulated(norm: AdaptiveLayerNorm, x: Tensor, context: Tensor) -> Tensor:
    """Tokens (B, N, C) by one context (B, C) for all."""
    return norm(x.unsqueeze(1), context.unsqueeze(1)).squeeze(1)
