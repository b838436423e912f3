"""Where a TSDF shows surface, and what lies within reach of it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from equigrasp.workspace import WORKSPACE

SEED_WIDTH = 0.25
"""A voxel marks the surface where |t| is below this: one voxel along the ray, at the default
truncation of four."""


def surface_voxels(tsdf: Tensor) -> Tensor:
    """Where (N, N, N) a TSDF, in either encoding, holds the observed surface: bool (N, N, N)."""
    return (tsdf - 0.5).abs() < SEED_WIDTH / 2


def surface_band(
    tsdf: Tensor, reach: float, *, side: float = WORKSPACE.side, floor: float | None = None
) -> Tensor:
    """Voxels within `reach` of the observed surface, on its free and on its hidden side.

    The published mask is two dilations of the truncation band, which ends 15 to 45 mm in front of
    a surface depending on the angle it is seen from. This one is a ball around every surface
    voxel, so it depends on neither the angle nor the encoding.

    Args:
        tsdf: (N, N, N) in either encoding.
        reach: metres.
        side: of the cube, metres.
        floor: surface below this height (m) is the table and does not count; None counts all.

    Returns:
        (N, N, N) bool.
    """
    seeds = surface_voxels(tsdf)
    step = side / tsdf.shape[-1]
    if floor is not None:
        height = (torch.arange(tsdf.shape[-1], device=tsdf.device) + 0.5) * step
        seeds = seeds & (height > floor)
    return _within(seeds, reach / step)


def _within(seeds: Tensor, radius: float) -> Tensor:
    """Voxels whose distance to the nearest seed is at most `radius` voxels, exactly."""
    half = int(radius)
    squares = torch.arange(-half, half + 1, device=seeds.device, dtype=torch.float32) ** 2
    distance = torch.where(seeds, 0.0, torch.inf)
    for axis in range(3):  # squared Euclidean distance separates into one pass per axis
        last = distance.movedim(axis, -1)
        windows = F.pad(last, (half, half), value=torch.inf).unfold(-1, 2 * half + 1, 1)
        distance = (windows + squares).amin(-1).movedim(-1, axis)
    return distance <= radius**2
