"""The part of Mini-Diffuser that runs for every sample: what lies around a position in a scene.

A sample is a position with one token. At every scale of the points but the finest, the token
attends to the points and to itself under one softmax (`equigrasp.diffusion.attention`). At the
finest it asks the cells of a grid around its position instead (`LocalQuery`), which costs less than
attention to a thousand points. Keys and values of the points are computed once per observation.
Both the position codes and the local query can be left out, to see what they bring.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.diffusion.attention import sample_attention
from equigrasp.diffusion.modulation import AdaptiveLayerNorm, Shared
from equigrasp.policy.nn.local_query import LocalQuery
from equigrasp.policy.nn.point_encoder import Points
from equigrasp.policy.nn.rotary import rotate_by_position
from equigrasp.policy.nn.whitening import whiten

CELL = 0.02
"""Side of the cells of the local query, m."""


class PositionMemory(NamedTuple):
    """What samples need of an observation; computed once for all of them.

    Attributes:
        keys, values: (B, H, N, d) of the points at every scale that is attended to, coarse to fine;
            keys carry their positions (`rotate_by_position`).
        masks: (B, N) bool at these scales, True for points.
        finest: the points of the finest scale, with a quarter of the channels, for the local query.
        words: (B, C) summary of the sentence and of the arm's state.
    """

    keys: list[Tensor]
    values: list[Tensor]
    masks: list[Tensor]
    finest: Points | None
    words: Tensor


class PositionReader(nn.Module):
    """Features of positions in an observation.

    Args:
        widths: channels of the points at every scale, coarse to fine.
        words: channels of the summary of the sentence.
        channels: width of the samples' tokens.
        head_channels: of each attention head.
        rope: whether scores depend on where points are to a sample. Without it, keys carry the
            positions of their points as values do.
        local_query: whether the finest scale is asked around a sample's position; without it, it
            is attended to like the others.

    Raises:
        ValueError: `channels` is no multiple of `head_channels`, or there is a single scale.
    """

    def __init__(
        self,
        widths: Sequence[int],
        words: int,
        *,
        channels: int = 96,
        head_channels: int = 24,
        rope: bool = True,
        local_query: bool = True,
    ) -> None:
        super().__init__()
        if channels % head_channels:
            raise ValueError(
                f"{channels} channels are no multiple of head_channels={head_channels}"
            )
        self.heads, self.rope = channels // head_channels, rope
        if len(widths) < 2:
            raise ValueError(f"widths are {tuple(widths)}; a coarse and a fine scale are needed")
        attended = widths[:-1] if local_query else widths
        self.memory = nn.ModuleList(nn.Linear(width, 2 * channels) for width in attended)
        # Attention scores depend on differences of positions alone. Values therefore carry the
        # positions of their points too, or a sample would learn what is near but not where.
        placed = channels if rope else 2 * channels
        self.places = nn.ModuleList(nn.Linear(3, placed, bias=False) for _ in attended)
        self.own = nn.ModuleList(nn.Linear(channels, 3 * channels) for _ in attended)
        self.out_projection = nn.ModuleList(nn.Linear(channels, channels) for _ in attended)
        # One modulated norm per scale and no more: each costs a sample as much as half an MLP.
        self.norm = nn.ModuleList(
            AdaptiveLayerNorm(words, channels) for _ in range(len(attended) + 1)
        )
        self.norm_out = nn.ModuleList(nn.LayerNorm(channels) for _ in attended)
        self.mlp = nn.ModuleList(
            nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))
            for hidden in [*(channels for _ in attended), 2 * channels]
        )
        self.local = None
        if local_query:
            # It is paid for by every sample and channel. So the features of the finest scale are
            # made narrower first, once per observation.
            self.narrow = nn.Linear(widths[-1], channels // 4)
            self.narrow_places = nn.Linear(3, channels // 4, bias=False)
            self.local = LocalQuery(channels // 4, channels, CELL)

    def remember(self, scales: Sequence[Points], words: Tensor) -> PositionMemory:
        """What samples need of B observations.

        Args:
            scales: points at every scale, coarse to fine, with `widths` channels.
            words: (B, `words`) summaries of the sentences and states.
        """
        attended = scales[: len(self.memory)]
        keys, values = [], []
        for linear, place, points in zip(self.memory, self.places, attended, strict=True):
            places = place(whiten(points.xyz))
            if self.rope:  # keys are turned instead
                places = F.pad(places, (places.shape[-1], 0))
            key, value = (linear(points.features) + places).chunk(2, -1)
            key, value = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (key, value))
            keys.append(rotate_by_position(key, points.xyz.unsqueeze(1)) if self.rope else key)
            values.append(value)
        masks = [points.mask for points in attended]
        return PositionMemory(keys, values, masks, self._around(scales[-1]), words)

    def _around(self, finest: Points) -> Points | None:
        """What the local query asks: the points of the finest scale, made narrower."""
        if self.local is None:
            return None
        seen = self.narrow(finest.features) + self.narrow_places(whiten(finest.xyz))
        return finest._replace(features=seen.masked_fill(~finest.mask.unsqueeze(-1), 0.0))

    def forward(
        self,
        memory: PositionMemory,
        tokens: Tensor,
        positions: Tensor,
        moment: Shared | None = None,
    ) -> Tensor:
        """Features (B, M, channels) of samples; none of them sees another one.

        Args:
            memory: of their observations, see `remember`.
            tokens: (B, M, channels), one of each sample.
            positions: (B, M, 3) metres in the world.
            moment: codes of the samples' diffusion times. The words of the observation modulate all
                its samples; these codes modulate each sample besides. None: words alone.
        """
        contexts = [memory.words.unsqueeze(1), *([] if moment is None else [moment])]
        x = tokens.unsqueeze(2)
        places = positions[:, None, :, None]
        for level, key in enumerate(memory.keys):
            parts = self.own[level](self.norm[level](x, *contexts))
            parts = parts.unflatten(-1, (3, self.heads, -1))
            parts = parts.permute(3, 0, 4, 1, 2, 5)
            query, own_key = rotate_by_position(parts[:2], places) if self.rope else parts[:2]
            seen = sample_attention(
                query,
                own_key,
                parts[2],
                key,
                memory.values[level],
                memory.masks[level],
            )
            x = x + self.out_projection[level](seen.movedim(1, 3).flatten(3))
            x = x + self.mlp[level](self.norm_out[level](x))
        if self.local is not None:
            x = x + self.local(memory.finest, positions).unsqueeze(2)
        return (x + self.mlp[-1](self.norm[-1](x, *contexts))).squeeze(2)


def head(channels: int, out: int) -> nn.Sequential:
    """A small MLP from `channels` to `out`, whose answers are near zero before training."""
    last = nn.Linear(channels, out)
    nn.init.normal_(last.weight, std=0.01)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, channels), nn.ReLU(), last)


def summarise(tokens: Tensor, mask: Tensor, weigh: nn.Module) -> Tensor:
    """Weighted mean (B, C) of tokens.

    Args:
        tokens: (B, T, C).
        mask: (B, T) bool, True for tokens that count; at least one in every row.
        weigh: module that gives a logit (B, T, 1) for each.
    """
    logits = weigh(tokens).squeeze(-1).masked_fill(~mask, -torch.inf)
    return (logits.softmax(1).unsqueeze(-1) * tokens).sum(1)
