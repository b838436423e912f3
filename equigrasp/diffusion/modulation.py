"""How time and context reach a sample: sinusoidal codes, FiLM, adaptive layer norm.

All act on each sample by itself, (B, M, ...); nothing is normalised over the batch, so no sample
sees another.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_LONGEST = 1e4
_SCALE = 1000.0
"""Times in [0, 1] are stretched to the step counts for which the code's wavelengths are made."""


def sinusoidal_embedding(time: Tensor, size: int) -> Tensor:
    """Sines and cosines of times (...) in [0, 1], wavelengths from 1/160 to 60 units: (..., size).

    Raises:
        ValueError: an odd size.
    """
    if size < 2 or size % 2:
        raise ValueError(f"size is {size}; sines and cosines come in pairs, give an even number")
    half = size // 2
    rates = torch.exp(-math.log(_LONGEST) * torch.arange(half, device=time.device) / half)
    angles = (_SCALE * time).unsqueeze(-1) * rates.to(time.dtype)
    return torch.cat([angles.sin(), angles.cos()], -1)


class Shared(NamedTuple):
    """Contexts that several samples have in common, so that each is worked on once.

    Attributes:
        rows: (R, context).
        index: (B, M) int64, the row of each sample.
    """

    rows: Tensor
    index: Tensor

    def taken(self, of_rows: Tensor) -> Tensor:
        """What each sample (B, M, ...) gets of something made of the rows (R, ...)."""
        return F.embedding(self.index, of_rows)


class TimeCode(nn.Sequential):
    """Learned codes of times; samples with the same time share theirs.

    Args:
        channels: of the codes.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(nn.Linear(channels, channels), nn.SiLU(), nn.Linear(channels, channels))
        self.channels = channels

    def forward(self, time: Tensor) -> Shared:
        """Codes of times (B, M) in [0, 1]."""
        times, index = time.unique(return_inverse=True)
        return Shared(super().forward(sinusoidal_embedding(times, self.channels)), index)


def modulate(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Scale and shift what samples are, (B, M, ..., C), by their contexts.

    Args:
        x: of samples.
        scale, shift: of every sample, or one of all samples of a condition, (B, 1, ..., C).
    """
    return x * scale + shift


class FiLM(nn.Module):
    """x * (1 + scale(c)) + shift(c), starting as the identity.

    Several contexts add up behind their nonlinearity, so the part of one that many samples have in
    common, a time or a condition, is computed once.

    Args:
        context: channels of a context.
        channels: channels of what is modulated.
    """

    def __init__(self, context: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(context, 2 * channels)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, *contexts: Tensor | Shared) -> Tensor:
        """Modulate x (B, M, L, channels).

        Args:
            x: tokens of samples.
            contexts: each (B or 1, M or 1, context), or shared.
        """
        parts = [self._part(context) for context in contexts]
        scale, shift = (self.linear.bias + sum(parts)).unsqueeze(-2).chunk(2, -1)
        return modulate(x, 1 + scale, shift)

    def _part(self, context: Tensor | Shared) -> Tensor:
        if isinstance(context, Shared):
            return context.taken(self._part(context.rows))
        return F.linear(F.silu(context), self.linear.weight)


class AdaptiveLayerNorm(nn.Module):
    """Layer normalisation of each token whose scale and shift come from the sample's context."""

    def __init__(self, context: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, elementwise_affine=False)
        self.film = FiLM(context, channels)

    def forward(self, x: Tensor, *contexts: Tensor | Shared) -> Tensor:
        """x (B, M, L, channels) by its contexts, see `FiLM`."""
        return self.film(self.norm(x), *contexts)
