"""Depth noise models of the published evaluations, drawn afresh on every call.

* ``gamma`` (also called "dex"): every image is scaled by one factor from Gamma(1000, 0.001), mean
  1 and standard deviation 3.2 %; with probability one half a smooth 5 mm field is added, Gaussian
  on a quarter of the resolution and up-sampled bilinearly.
* ``gaussian`` (also "norm"): independent 5 mm per pixel (GIGA's value; others use 10 or 0.8 mm).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from equigrasp.perception.camera import valid_pixels

NOISE_KINDS = ("none", "gaussian", "gamma")
ALIASES = {"dex": "gamma", "norm": "gaussian"}

GAMMA_SHAPE, GAMMA_SCALE = 1000.0, 0.001
FIELD_SIGMA = 0.005
FIELD_PROBABILITY = 0.5
FIELD_RATIO = 4
PIXEL_SIGMA = 0.005


def apply_noise(
    depth: NDArray[np.floating], kind: str, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Noisy copy of a depth image; pixels without a reading keep their value.

    Args:
        depth: (H, W) metres; 0, NaN and infinity mean no reading.
        kind: one of `NOISE_KINDS` or an alias.
        rng: source of the draws.

    Raises:
        ValueError: if the kind is unknown.
    """
    kind = ALIASES.get(kind, kind)
    if kind not in NOISE_KINDS:
        raise ValueError(f"noise is {kind!r}; choose one of {', '.join(NOISE_KINDS)}")
    depth = np.asarray(depth, dtype=np.float32)
    if kind == "none":
        return depth.copy()
    seen = valid_pixels(depth)
    if kind == "gaussian":
        noisy = depth + PIXEL_SIGMA * rng.standard_normal(depth.shape, dtype=np.float32)
    else:
        noisy = depth * np.float32(rng.gamma(GAMMA_SHAPE, GAMMA_SCALE))
        if rng.random() < FIELD_PROBABILITY:
            noisy += smooth_field(depth.shape, rng)
    return np.where(seen, np.maximum(noisy, np.float32(0)), depth)


def smooth_field(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) field in metres: 5 mm Gaussian on the coarse grid, up-sampled bilinearly."""
    coarse = tuple(max(1, side // FIELD_RATIO) for side in shape)
    nodes = FIELD_SIGMA * rng.standard_normal(coarse, dtype=np.float32)
    fine = F.interpolate(
        torch.from_numpy(nodes)[None, None], size=shape, mode="bilinear", align_corners=False
    )
    return fine[0, 0].numpy()
