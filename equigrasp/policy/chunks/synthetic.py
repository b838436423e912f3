"""Made-up observations and small policies, to check what two-level batches promise."""

from __future__ import annotations

from typing import Any

import torch

from equigrasp.policy.chunks.chunk_io import STATE_SIZES, Observed
from equigrasp.policy.chunks.diffusion_policy import DiffusionPolicy

SMALL: dict[str, Any] = {
    "widths": (8, 16),
    "channels": 16,
    "layers": 2,
    "heads": 2,
    "hidden": 24,
    "image_widths": (8, 16),
    "crop": 24,
}
"""Options of a policy of a few thousand numbers."""


def small_policy(sees: str = "state", denoiser: str = "unet", **options: Any) -> DiffusionPolicy:
    """A small policy in float64, moved away from where it starts, since FiLM starts as the identity
    and would hide what depends on it.

    Args:
        sees, denoiser, options: see `DiffusionPolicy`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        policy = DiffusionPolicy(sees=sees, denoiser=denoiser, **{**SMALL, **options}).double()
        with torch.no_grad():
            for parameter in policy.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    return policy


def random_observed(
    sees: str, batch: int = 3, seed: int = 0, size: int = 24, dtype: torch.dtype = torch.float64
) -> Observed:
    """Uniform observations of two frames.

    Args:
        sees: see `DiffusionPolicy`.
        batch: B.
        seed: of all random numbers.
        size: of pictures.
        dtype: of the tensors.
    """
    generator = torch.Generator().manual_seed(seed)
    state = 2 * torch.rand(batch, 2, STATE_SIZES[sees], generator=generator, dtype=dtype) - 1
    if sees == "state":
        return Observed(state, None)
    shape = (batch, 2, 3, size, size)
    return Observed(state, torch.rand(shape, generator=generator, dtype=dtype))
