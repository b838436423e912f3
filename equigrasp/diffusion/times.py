"""Random times of a two-level batch, with less variance than independent ones.

Each of them is uniform by itself; only how the M of a condition go together differs, so losses stay
unbiased. All come from a generator of the CPU and are then moved: the numbers do not depend on the
device.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def sample_times(
    shape: tuple[int, int],
    generator: Generator,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Stratified times in [0, 1), (B, M): one in each of M equal intervals, in random order.

    Args:
        shape: (B, M).
        generator: source of randomness, on the CPU.
        dtype, device: of the result.
    """
    within = torch.rand(shape, generator=generator, dtype=dtype)
    order = torch.rand(shape, generator=generator, dtype=dtype).argsort(1).to(within.dtype)
    times = (order + within) / shape[1]
    times = times.clamp(max=1 - torch.finfo(times.dtype).eps)  # (M - 1 + 0.999...) / M may round up
    return times.to(device)


def sample_steps(
    shape: tuple[int, int],
    steps: int,
    generator: Generator,
    device: torch.device | str | None = None,
) -> Tensor:
    """Stratified diffusion steps k in 0 to `steps` - 1, (B, M) int64.

    Args:
        shape: (B, M).
        steps: K of the schedule.
        generator: source of randomness, on the CPU.
        device: of the result.

    Raises:
        ValueError: fewer than one step.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; a diffusion has at least one")
    return (sample_times(shape, generator, dtype=torch.float64, device=device) * steps).long()
