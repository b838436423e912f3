"""A U-Net along the actions of a chunk, as published for Diffusion Policy (arXiv 2303.04137).

Convolutions along the chunk, group normalisation within it, and FiLM by the observation and the
diffusion step. What FiLM needs of the observation is computed once for all of its samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from equigrasp.diffusion.batch import flatten_samples, unflatten_samples
from equigrasp.diffusion.modulation import FiLM, Shared
from equigrasp.policy.chunks.chunk_io import ACTION

KERNEL = 5
GROUPS = 8


class ChunkUNet(nn.Module):
    """Denoiser of chunks.

    Args:
        observed: O, tokens of an observation.
        channels: of a token, and of the context of FiLM.
        widths: at every level, each half as long as the one before; multiples of 8.
        horizon: L, actions of a chunk.

    Raises:
        ValueError: widths that cannot be shared out in groups, or a chunk that cannot be halved so
            often.
    """

    def __init__(self, observed: int, channels: int, widths: Sequence[int], horizon: int) -> None:
        super().__init__()
        widths = list(widths)
        if not widths or any(width % GROUPS or width < GROUPS for width in widths):
            raise ValueError(f"widths are {list(widths)}; give multiples of {GROUPS}")
        if horizon % 2 ** (len(widths) - 1):
            raise ValueError(
                f"horizon is {horizon}; {len(widths)} levels need a multiple of "
                f"{2 ** (len(widths) - 1)}"
            )
        self.observation = nn.Linear(observed * channels, channels)
        ins = [ACTION, *widths[:-1]]
        self.down = nn.ModuleList(
            ResidualPair(a, b, channels) for a, b in zip(ins, widths, strict=True)
        )
        self.shorten = nn.ModuleList(nn.Conv1d(w, w, 3, stride=2, padding=1) for w in widths[:-1])
        self.bottom = ResidualPair(widths[-1], widths[-1], channels)
        levels = list(zip(widths[:0:-1], widths[-2::-1], strict=True))  # coarse, fine
        self.up = nn.ModuleList(ResidualPair(2 * a, b, channels) for a, b in levels)
        self.lengthen = nn.ModuleList(
            nn.ConvTranspose1d(b, b, 4, stride=2, padding=1) for _, b in levels
        )
        self.end = nn.Sequential(_block(widths[0], widths[0]), nn.Conv1d(widths[0], ACTION, 1))

    def remember(self, tokens: Tensor) -> Tensor:
        """What samples need of observations (B, O, channels): (B, 1, channels)."""
        return self.observation(tokens.flatten(1)).unsqueeze(1)

    def forward(self, memory: Tensor, noised: Tensor, moment: Shared) -> Tensor:
        """What is predicted at samples (B, M, L, 2), of that shape.

        Args:
            memory: see `remember`.
            noised: (B, M, L, 2).
            moment: code of the diffusion step of every sample.
        """
        x, batch = flatten_samples(noised).transpose(1, 2), len(noised)
        context = (batch, memory, moment)
        skipped = []
        for level, block in enumerate(self.down):
            x = block(x, *context)
            if level < len(self.shorten):
                skipped.append(x)
                x = self.shorten[level](x)
        skipped.append(x)
        x = self.bottom(x, *context)
        for block, lengthen in zip(self.up, self.lengthen, strict=True):
            x = lengthen(block(torch.cat([x, skipped.pop()], 1), *context))
        return unflatten_samples(self.end(x).transpose(1, 2), batch)


class ResidualPair(nn.Module):
    """Two residual blocks.

    Args:
        before, after: channels.
        context: channels of FiLM's contexts.
    """

    def __init__(self, before: int, after: int, context: int) -> None:
        super().__init__()
        self.first = ResidualBlock(before, after, context)
        self.second = ResidualBlock(after, after, context)

    def forward(self, x: Tensor, batch: int, memory: Tensor, moment: Shared) -> Tensor:
        """(B M, before, L) -> (B M, after, L), see `ResidualBlock`."""
        return self.second(self.first(x, batch, memory, moment), batch, memory, moment)


class ResidualBlock(nn.Module):
    """Convolution, FiLM, convolution, beside a shortcut.

    Args:
        before, after: channels.
        context: channels of FiLM's contexts.
    """

    def __init__(self, before: int, after: int, context: int) -> None:
        super().__init__()
        self.first, self.second = _block(before, after), _block(after, after)
        self.film = FiLM(context, after)
        self.shortcut = nn.Conv1d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x: Tensor, batch: int, memory: Tensor, moment: Shared) -> Tensor:
        """(B M, before, L) -> (B M, after, L).

        Args:
            x: rows of samples.
            batch: B.
            memory: (B, 1, context) of the observations.
            moment: of the diffusion steps (B, M).
        """
        samples = unflatten_samples(self.first(x).transpose(1, 2), batch)
        modulated = flatten_samples(self.film(samples, memory, moment)).transpose(1, 2)
        return self.shortcut(x) + self.second(modulated)


def _block(before: int, after: int) -> nn.Sequential:
    convolution = nn.Conv1d(before, after, KERNEL, padding=KERNEL // 2)
    return nn.Sequential(convolution, nn.GroupNorm(GROUPS, after), nn.Mish())
