"""Random times and noise of a two-level batch, with less variance than independent ones.

Each of them has the same distribution by itself; only how the M of a condition go together differs,
so losses stay unbiased. All come from a generator of the CPU and are then moved: the numbers do not
depend on the device.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

TIMES = ("uniform", "stratified")
NOISES = ("gaussian", "antithetic")


def sample_times(
    shape: tuple[int, int],
    kind: str = "stratified",
    *,
    generator: Generator,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Times in [0, 1), (B, M).

    Args:
        shape: (B, M).
        kind: "uniform", or "stratified": one time in each of M equal intervals, in random order.
        generator: source of randomness, on the CPU.
        dtype, device: of the result.

    Raises:
        ValueError: unknown kind.
    """
    if kind not in TIMES:
        raise ValueError(f"kind is {kind!r}; choose one of {', '.join(TIMES)}")
    within = torch.rand(shape, generator=generator, dtype=dtype)
    if kind == "uniform":
        return within.to(device)
    order = torch.rand(shape, generator=generator, dtype=dtype).argsort(1).to(within.dtype)
    times = (order + within) / shape[1]
    times = times.clamp(max=1 - torch.finfo(times.dtype).eps)  # (M - 1 + 0.999...) / M may round up
    return times.to(device)


def sample_steps(
    shape: tuple[int, int],
    steps: int,
    kind: str = "stratified",
    *,
    generator: Generator,
    device: torch.device | str | None = None,
) -> Tensor:
    """Diffusion steps k in 0 to `steps` - 1, (B, M) int64; arguments as for `sample_times`.

    Raises:
        ValueError: unknown kind, or fewer than one step.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; a diffusion has at least one")
    times = sample_times(shape, kind, generator=generator, dtype=torch.float64, device=device)
    return (times * steps).long()


def sample_noise(
    shape: tuple[int, ...],
    kind: str = "gaussian",
    *,
    generator: Generator,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Standard normal noise (B, M, ...).

    Args:
        shape: (B, M, ...).
        kind: "gaussian", or "antithetic": samples 2 i and 2 i + 1 of a condition are each other's
            negatives (an odd last one stands alone).
        generator: source of randomness, on the CPU.
        dtype, device: of the result.

    Raises:
        ValueError: unknown kind.
    """
    if kind not in NOISES:
        raise ValueError(f"kind is {kind!r}; choose one of {', '.join(NOISES)}")
    if kind == "gaussian":
        return torch.randn(shape, generator=generator, dtype=dtype).to(device)
    half = (shape[0], (shape[1] + 1) // 2, *shape[2:])
    noise = torch.randn(half, generator=generator, dtype=dtype)
    return torch.stack([noise, -noise], 2).flatten(1, 2)[:, : shape[1]].to(device)
