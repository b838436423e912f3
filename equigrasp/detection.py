"""From a quality volume to ranked grasps: lattice, surface band, smoothing, peaks, filters.

Everything commutes with quarter turns of the workspace: the lattice is centred (voxel centres), the
suppression window odd, and distances are Euclidean. The published post-processing queries voxel
corners and suppresses with an even window, which moves 40 % of the peaks under a turn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from equigrasp.constants import MAX_WIDTH, TABLE_HEIGHT, WORKSPACE_SIZE

Volume = NDArray[np.float32]


@dataclass(frozen=True)
class DetectionConfig:
    """Every threshold of the post-processing; metres unless said.

    Attributes:
        resolution: query points per side; None takes the model's TSDF resolution.
        quality_threshold: smallest smoothed quality of a grasp.
        force: if nothing reaches the threshold, keep the best peak above `quality_floor`.
        quality_floor: see `force`.
        smoothing: sigma of the Gaussian on the quality, in lattice steps; 0 turns it off.
        nms_window: odd side of the suppression window, in lattice steps.
        reach: query points lie within this distance of an observed surface that is not table.
        behind: and at most this far behind the observed surface (along the camera's rays).
        seed_height: surface below this height over the table is taken for the table.
        border: query points closer than this to the x and y faces of the workspace are dropped.
        tip_clearance: lowest finger tip over the table; None where there is no table.
        width_min, width_max: openings outside are dropped.
        max_peaks: most peaks looked at, best first.
        max_grasps: most grasps returned.
    """

    resolution: int | None = None
    quality_threshold: float = 0.30
    force: bool = True
    quality_floor: float = 0.05
    smoothing: float = 1.0
    nms_window: int = 3
    reach: float = 0.060
    behind: float = 0.015
    seed_height: float = 0.008
    border: float = 0.02
    tip_clearance: float | None = 0.0
    width_min: float = 0.005
    width_max: float = 0.078
    max_peaks: int = 128
    max_grasps: int = 50

    def __post_init__(self) -> None:
        if self.nms_window < 1 or self.nms_window % 2 == 0:
            raise ValueError(
                f"nms_window is {self.nms_window}; an even window breaks the symmetry, use 3 or 5"
            )
        if self.resolution is not None and (self.resolution < 2 or self.resolution % 2):
            raise ValueError(f"resolution is {self.resolution}; use an even number such as 40")
        for name in ("quality_threshold", "quality_floor"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie in [0, 1]")
        if not 0 <= self.width_min < self.width_max <= MAX_WIDTH:
            raise ValueError(
                f"widths [{self.width_min}, {self.width_max}] m must be ordered and within "
                f"[0, {MAX_WIDTH}]"
            )


def query_lattice(resolution: int) -> Tensor:
    """Normalised lattice points (N^3, 3) at voxel centres, in [x, y, z] order."""
    axis = (torch.arange(resolution) + 0.5) / resolution - 0.5
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)


def signed_values(tsdf: Volume, encoding: str) -> tuple[Volume, NDArray[np.bool_]]:
    """Truncated distance t in [-1, 1] per voxel, and where it is known to be near a surface.

    Both encodings give the same answer: free and unobserved space are not near a surface.
    """
    near = (tsdf > 0) & (tsdf < (1.0 if encoding == "published" else 0.99))
    return (2 * tsdf - 1).astype(np.float32), near


def surface_band(
    tsdf: Volume, encoding: str, config: DetectionConfig, table_height: float | None = TABLE_HEIGHT
) -> NDArray[np.bool_]:
    """Where a query point of a feasible grasp can lie: (N, N, N) bool.

    Args:
        tsdf: (N, N, N) volume.
        encoding: "published" or "full".
        config: `reach`, `behind`, `seed_height`, `border` apply.
        table_height: metres, None where there is no table.
    """
    step = WORKSPACE_SIZE / len(tsdf)
    distance, near = signed_values(tsdf, encoding)
    truncation = 4 * step
    surface = near & (np.abs(distance) * truncation < 0.75 * step)
    centres = (np.arange(len(tsdf)) + 0.5) * step
    if table_height is not None:
        surface &= centres > table_height + config.seed_height
    if not surface.any():
        return np.zeros(tsdf.shape, bool)
    reachable = ndimage.distance_transform_edt(~surface, sampling=step) <= config.reach
    deep = near & (distance * truncation < -config.behind)
    inside = (centres > config.border) & (centres < WORKSPACE_SIZE - config.border)
    return reachable & ~deep & inside[:, None, None] & inside[None, :, None]


def smooth(quality: Volume, band: NDArray[np.bool_], sigma: float) -> Volume:
    """Gaussian average over the band alone (normalised convolution); 0 outside it."""
    if sigma <= 0:
        return np.where(band, quality, 0.0).astype(np.float32)
    options = {"sigma": sigma, "mode": "constant", "truncate": 3.0}
    total = ndimage.gaussian_filter(np.where(band, quality, 0.0).astype(np.float64), **options)
    weight = ndimage.gaussian_filter(band.astype(np.float64), **options)
    return np.where(band, total / np.maximum(weight, 1e-9), 0.0).astype(np.float32)


def select_peaks(quality: Volume, config: DetectionConfig) -> NDArray[np.intp]:
    """Lattice indices (n, 3) of local maxima, best first.

    Peaks below `quality_threshold` are left out; with `force`, the single best one above
    `quality_floor` is kept if no other remains.
    """
    highest = ndimage.maximum_filter(quality, size=config.nms_window, mode="constant")
    peaks = (quality == highest) & (quality > 0)
    chosen = np.argwhere(peaks & (quality >= config.quality_threshold))
    if not len(chosen) and config.force:
        chosen = np.argwhere(peaks & (quality >= max(config.quality_floor, quality.max())))
    order = np.argsort(-quality[tuple(chosen.T)], kind="stable")
    return chosen[order][: config.max_peaks]


def admissible(
    tips: NDArray[np.floating],
    widths: NDArray[np.floating],
    config: DetectionConfig,
    table_height: float | None = TABLE_HEIGHT,
) -> NDArray[np.bool_]:
    """Which grasps (n,) have their tip in the workspace, over the table, and a width in range."""
    inside = ((tips > 0) & (tips < WORKSPACE_SIZE)).all(1)
    fits = (widths >= config.width_min) & (widths <= config.width_max)
    if table_height is not None and config.tip_clearance is not None:
        inside &= tips[:, 2] >= table_height + config.tip_clearance
    return inside & fits
