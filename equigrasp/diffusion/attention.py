"""Attention of a two-level batch without its mask.

The published formulation (Mini Diffuser, arXiv 2505.09430, eq. 12-13) puts M samples and the
condition into one sequence and masks a dense attention matrix, so that a sample sees itself and the
condition, and the condition sees only itself. Here the same numbers come from two products per
sample, with its own L tokens and with the N tokens of the condition, under one softmax; neither the
mask nor the (M L + N)^2 matrix exists.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Rotate = Callable[[Tensor], Tensor]
"""Position code applied to queries and keys (..., tokens, head channels)."""


def sample_attention(
    query: Tensor,
    own_key: Tensor,
    own_value: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
) -> Tensor:
    """Attention of M samples to themselves and to their condition.

    Args:
        query, own_key, own_value: (B, H, M, L, d) of the samples.
        key, value: (B, H, N, d) of the conditions.
        mask: (B, N) bool, True for tokens that are there; None if all are.

    Returns:
        (B, H, M, L, d).
    """
    b, h, m, length, d = query.shape
    scale = d**-0.5
    flat = query.flatten(2, 3)
    # the scale goes to the smaller factor, the mask into the product: fewer passes over all pairs
    seen = (flat * scale) @ key.transpose(-1, -2)
    if mask is not None:
        seen = seen.masked_fill_(~mask[:, None, None], -torch.inf)
    own = ((query @ own_key.transpose(-1, -2)) * scale).flatten(2, 3)
    weights = torch.cat([seen, own], -1).softmax(-1)
    outside, inside = weights.split([seen.shape[-1], length], -1)
    inside = inside.reshape(b, h, m, length, length)
    return (outside @ value).unflatten(2, (m, length)) + inside @ own_value


class TwoLevelAttention(nn.Module):
    """Multi-head attention of conditions and of their samples, with shared projections.

    Args:
        channels: width of tokens.
        heads: must divide `channels`.
    """

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        if heads < 1 or channels % heads:
            raise ValueError(f"{channels} channels cannot be shared by {heads} heads")
        self.heads = heads
        self.project = nn.Linear(channels, 3 * channels)
        self.out_projection = nn.Linear(channels, channels)

    def condition(
        self, tokens: Tensor, mask: Tensor | None = None, rotate: Rotate | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Self-attention of conditions; runs once per condition, whatever the samples.

        Args:
            tokens: (B, N, channels).
            mask: (B, N) bool, True for tokens that are there.
            rotate: position code of queries and keys.

        Returns:
            tokens (B, N, channels), zero where masked, and (keys, values) (B, H, N, d) for
            `samples`.
        """
        query, key, value = self._heads(tokens)
        if rotate is not None:
            query, key = rotate(query), rotate(key)
        allowed = None if mask is None else mask[:, None, None]
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        out = self.out_projection(out.transpose(1, 2).flatten(2))
        if mask is not None:
            out = out.masked_fill(~mask.unsqueeze(-1), 0.0)
        return out, (key, value)

    def remember(self, tokens: Tensor, rotate: Rotate | None = None) -> tuple[Tensor, Tensor]:
        """What `samples` need of conditions that are not wanted anew: see `condition`."""
        _, key, value = self._heads(tokens)
        return (key if rotate is None else rotate(key)), value

    def samples(
        self,
        tokens: Tensor,
        memory: tuple[Tensor, Tensor],
        mask: Tensor | None = None,
        rotate: Rotate | None = None,
    ) -> Tensor:
        """Attention of samples (B, M, L, channels) to themselves and to `memory`: same shape.

        Args:
            tokens: (B, M, L, channels).
            memory: what `condition` returned.
            mask: (B, N) bool of the conditions' tokens.
            rotate: position code of queries and keys (B, H, M, L, d).
        """
        query, key, value = self._heads(tokens)
        if rotate is not None:
            query, key = rotate(query), rotate(key)
        out = sample_attention(query, key, value, *memory, mask)
        return self.out_projection(out.movedim(1, 3).flatten(3))

    def _heads(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values (B, H, ..., d) of tokens (B, ..., channels)."""
        parts = self.project(tokens).unflatten(-1, (3, self.heads, -1))
        query, key, value = (part.movedim(-2, 1) for part in parts.unbind(-3))
        return query, key, value
