"""Depth noise models of the published evaluations, drawn afresh on every call.

* ``gamma`` (also called "dex"): every image is scaled by one factor from Gamma(1000, 0.001), mean
  1 and standard deviation 3.2 %; with probability one half a smooth 5 mm field is added, Gaussian
  on a quarter of the resolution and up-sampled bilinearly.
* ``gaussian`` (also "norm"): independent 5 mm per pixel (GIGA's value; others use 10 or 0.8 mm).

Beside them ``camera``: gamma noise, and the holes, shadows, flying pixels and steps that depth
cameras add to it (`equigrasp.perception.camera_noise`). No published evaluation uses it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from equigrasp.perception.camera import valid_pixels
from equigrasp.perception.camera_noise import camera_effects

NOISE_KINDS = ("none", "gaussian", "gamma", "camera")
ALIASES = {"dex": "gamma", "norm": "gaussian"}

GAMMA_SHAPE, GAMMA_SCALE = 1000.0, 0.001
FIELD_SIGMA = 0.005
FIELD_PROBABILITY = 0.5
FIELD_RATIO = 4
PIXEL_SIGMA = 0.005


def apply_noise(
    depth: NDArray[np.floating],
    kind: str,
    rng: np.random.Generator,
    *,
    pixel_sigma: float = PIXEL_SIGMA,
) -> NDArray[np.float32]:
    """Noisy copy of a depth image; pixels without a reading keep their value.

    Args:
        depth: (H, W) metres; 0, NaN and infinity mean no reading.
        kind: one of `NOISE_KINDS` or an alias.
        rng: source of the draws.
        pixel_sigma: standard deviation of "gaussian" noise, metres.

    Raises:
        ValueError: if the kind is unknown.
    """
    kind = ALIASES.get(kind, kind)
    check_noise(kind)
    depth = np.asarray(depth, dtype=np.float32)
    if kind == "none":
        return depth.copy()
    seen = valid_pixels(depth)
    if kind == "gaussian":
        noisy = depth + np.float32(pixel_sigma) * rng.standard_normal(depth.shape, dtype=np.float32)
    else:
        noisy = depth * np.float32(rng.gamma(GAMMA_SHAPE, GAMMA_SCALE))
        if rng.random() < FIELD_PROBABILITY:
            noisy += smooth_field(depth.shape, rng)
    if kind == "camera":
        noisy = camera_effects(depth, noisy, seen, rng)
    return np.where(seen, np.maximum(noisy, np.float32(0)), depth)


def check_noise(noise: str | Mapping[str, float]) -> None:
    """Refuse what is neither a kind of noise nor a mixture of kinds.

    Args:
        noise: one of `NOISE_KINDS` or an alias, or kinds with the share of images each gets.

    Raises:
        ValueError: naming the unknown kind, or shares that are negative or do not add up to 1.
    """
    for kind in [noise] if isinstance(noise, str) else noise:
        if kind not in (*NOISE_KINDS, *ALIASES):
            raise ValueError(f"noise is {kind!r}; choose one of {', '.join(NOISE_KINDS)}")
    if isinstance(noise, str):
        return
    shares = list(noise.values())
    if any(share < 0 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(
            f"the shares of noise are {dict(noise)}; they must not be negative and must add up to "
            "1 (a configuration adds its kinds to those of the default: set these to 0)"
        )


def pick_kind(noise: str | Mapping[str, float], rng: np.random.Generator) -> str:
    """One kind of a mixture, by its shares; a single kind is itself and draws nothing."""
    if isinstance(noise, str):
        return noise
    kinds, shares = list(noise), np.cumsum(list(noise.values()))
    return kinds[min(int(np.searchsorted(shares, rng.random(), "right")), len(kinds) - 1)]


def smooth_field(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) field in metres: 5 mm Gaussian on the coarse grid, up-sampled bilinearly."""
    coarse = tuple(max(1, side // FIELD_RATIO) for side in shape)
    nodes = FIELD_SIGMA * rng.standard_normal(coarse, dtype=np.float32)
    fine = F.interpolate(
        torch.from_numpy(nodes)[None, None], size=shape, mode="bilinear", align_corners=False
    )
    return fine[0, 0].numpy()
