"""Random times and noise of a two-level batch, with less variance than independent ones.

Each of them has the same distribution by itself; only how the M of a condition go together differs,
so losses stay unbiased.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

TIMES = ("uniform", "stratified")
NOISES = ("gaussian", "antithetic")


def sample_times(
    shape: tuple[int, int],
    kind: str = "stratified",
    generator: Generator | None = None,
    **factory,
) -> Tensor:
    """Times in [0, 1), (B, M).

    Args:
        shape: (B, M).
        kind: "uniform", or "stratified": one time in each of M equal intervals, in random order.
        generator: source of randomness; None takes torch's own.
        factory: dtype and device.

    Raises:
        ValueError: unknown kind.
    """
    if kind not in TIMES:
        raise ValueError(f"kind is {kind!r}; choose one of {', '.join(TIMES)}")
    within = torch.rand(shape, generator=generator, **factory)
    if kind == "uniform":
        return within
    order = torch.rand(shape, generator=generator, **factory).argsort(1).to(within.dtype)
    times = (order + within) / shape[1]
    return times.clamp(max=1 - torch.finfo(within.dtype).eps)  # (M - 1 + 0.999...) / M may round up


def sample_steps(
    shape: tuple[int, int],
    steps: int,
    kind: str = "stratified",
    generator: Generator | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Diffusion steps k in 0 to `steps` - 1, (B, M) int64; arguments as for `sample_times`.

    Raises:
        ValueError: unknown kind, or fewer than one step.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; a diffusion has at least one")
    times = sample_times(shape, kind, generator, dtype=torch.float64, device=device)
    return (times * steps).long()


def sample_noise(
    shape: tuple[int, ...],
    kind: str = "gaussian",
    generator: Generator | None = None,
    **factory,
) -> Tensor:
    """Standard normal noise (B, M, ...).

    Args:
        shape: (B, M, ...).
        kind: "gaussian", or "antithetic": samples 2 i and 2 i + 1 of a condition are each other's
            negatives (an odd last one stands alone).
        generator: source of randomness; None takes torch's own.
        factory: dtype and device.

    Raises:
        ValueError: unknown kind.
    """
    if kind not in NOISES:
        raise ValueError(f"kind is {kind!r}; choose one of {', '.join(NOISES)}")
    if kind == "gaussian":
        return torch.randn(shape, generator=generator, **factory)
    half = torch.randn((shape[0], (shape[1] + 1) // 2, *shape[2:]), generator=generator, **factory)
    return torch.stack([half, -half], 2).flatten(1, 2)[:, : shape[1]]
