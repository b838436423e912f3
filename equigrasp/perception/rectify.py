"""Undo the global depth factor of a camera by the table it sees.

Where the table's height in the workspace frame is known, every pixel's table depth has a closed
form. The ratio of the measured to that depth is one common number on table pixels and smaller
where an object stands in between; its most frequent value is the camera's scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equigrasp.perception.camera import Intrinsics, valid_pixels
from equigrasp.workspace import WORKSPACE, Workspace

STRIDE = 2
"""Every second row and column is enough, and four times as fast."""
MARGIN = 0.25
"""Table points this far (m) around the workspace still count; the slab is 1.2 m wide."""
SCALE_RANGE = (0.80, 1.25)
"""Factors that are looked for."""
BIN = 0.002
"""Width of the bins in which ratios of measured to expected depth are counted."""
WINDOW = 0.012
"""Ratios this far from the most frequent one still belong to the table: an error of 5 mm in half a
metre of depth, as the smooth part of the noise makes it, is 1 %."""
MIN_PIXELS = 200
"""So many (strided) pixels have to agree on a factor ..."""
MIN_SHARE = 0.05
"""... and this share of those that would see the table if nothing stood on it."""


@dataclass(frozen=True)
class TableFit:
    """Outcome of `table_rectify`.

    Attributes:
        scale: estimated factor between measured and true depth; 1 where `ok` is False.
        inliers: number of (strided) pixels that agree with it.
        ok: whether depth was rescaled.
        reason: why not, empty if it was.
    """

    scale: float
    inliers: int
    ok: bool
    reason: str = ""


def table_depth(
    intrinsics: Intrinsics,
    T_world_camera: NDArray,
    workspace: Workspace = WORKSPACE,
    *,
    stride: int = 1,
    margin: float = MARGIN,
) -> NDArray[np.float64]:
    """Depth of the bare table per pixel, NaN where its point is not near the workspace.

    Args:
        intrinsics, T_world_camera: the camera, in the workspace frame.
        workspace: its side and the height of the table.
        stride: every so many rows and columns.
        margin: how far around the workspace, metres.

    Returns:
        (ceil(H / stride), ceil(W / stride)) metres.
    """
    T = np.asarray(T_world_camera, dtype=float)
    u = (np.arange(0, intrinsics.width, stride) - intrinsics.cx) / intrinsics.fx
    v = (np.arange(0, intrinsics.height, stride) - intrinsics.cy) / intrinsics.fy
    # World components of the pixels' rays, each affine in u and v.
    x, y, z = (np.add.outer(T[i, 1] * v + T[i, 2], T[i, 0] * u) for i in range(3))
    drop = workspace.table_height - T[2, 3]
    depth = drop / np.where(drop * z > 0, z, np.nan)
    half = workspace.side / 2
    near = (np.abs(T[0, 3] + x * depth - half) < half + margin) & (
        np.abs(T[1, 3] + y * depth - half) < half + margin
    )
    return np.where(near, depth, np.nan)


def table_rectify(
    depth: NDArray[np.floating],
    intrinsics: Intrinsics,
    T_world_camera: NDArray,
    workspace: Workspace = WORKSPACE,
) -> tuple[NDArray[np.float32], TableFit]:
    """Estimate the depth's global factor from the visible table and divide it out.

    Args:
        depth: (H, W) metres.
        intrinsics, T_world_camera: the camera, in the workspace frame.
        workspace: its side and the height of the table.

    Returns:
        The rescaled depth, and what was found. Where the table is not visible enough, the depth
        comes back as it was and the fit says why.
    """
    depth = np.asarray(depth, dtype=np.float32)
    coarse = depth[::STRIDE, ::STRIDE]
    expected = table_depth(intrinsics, T_world_camera, workspace, stride=STRIDE)
    candidates = np.isfinite(expected) & valid_pixels(coarse)
    ratios = coarse[candidates] / expected[candidates]
    fit = _mode_of_ratios(ratios, int(np.isfinite(expected).sum()))
    return (depth / np.float32(fit.scale) if fit.ok else depth.copy()), fit


def _mode_of_ratios(ratios: NDArray[np.floating], visible: int) -> TableFit:
    ratios = ratios[(ratios > SCALE_RANGE[0]) & (ratios < SCALE_RANGE[1])]
    if len(ratios) < MIN_PIXELS:
        return TableFit(
            1.0, len(ratios), False, f"only {len(ratios)} pixels may see the table ({MIN_PIXELS})"
        )
    counts, edges = np.histogram(ratios, np.arange(SCALE_RANGE[0], SCALE_RANGE[1] + BIN, BIN))
    # Averaged over five bins, because noise spreads the table's ratios over about so many.
    counts = np.convolve(counts, np.ones(5), mode="same")
    scale = float(edges[counts.argmax()] + BIN / 2)
    for _ in range(3):
        inliers = ratios[np.abs(ratios - scale) < WINDOW]
        scale = float(np.median(inliers))
    if len(inliers) < max(MIN_PIXELS, MIN_SHARE * visible):
        return TableFit(
            1.0, len(inliers), False, f"{len(inliers)} of {visible} pixels agree on a scale"
        )
    return TableFit(scale, len(inliers), True)
