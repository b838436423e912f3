"""Undo the global depth factor of a camera by the table it sees, or tell that the set-up is wrong.

Where the table's height in the workspace frame is known, every pixel's table depth has a closed
form. The ratio of the measured to that depth is one common number on table pixels and smaller
where an object stands in between; its most frequent value is the camera's scale.

A wrong pose, wrong intrinsics, a wrong table height or a flipped image give ratios too, and no
division mends them. They show in a plane that is tilted against the table, or in a factor that no
camera has; then nothing is divided, and the fit says what to check.

A plane parallel to the table, such as a tray, scales its readings as a factor does. Where the table
shows around it, the table is the further of two planes, and is found. Where a tray fills the view,
one image cannot tell it from a factor: 3 cm under a camera half a metre above are 6 %, and one in
ten images with the published noise has a factor beyond 5 %. It is taken for the table then, and
`TableFit.doubt` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
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
SCALE_LIMIT = 0.126
"""A factor further than this from 1 is no camera's: four standard deviations of the published
gamma noise (3.2 %), which one image in ten thousand exceeds. Real cameras stay below 2 %."""
DOUBT = 0.05
"""Factors further than this from 1 are more likely a tray, or a table of another height, than a
real camera's: the fit says so. Published noise exceeds it in one image of ten."""
TILT_LIMIT = 3.0
"""A plane that is tilted further than this (degrees) against the table is a fault of the set-up: on
a workspace of 30 cm it is 16 mm. Noise tilts it by a tenth of a degree."""
LEVEL = 0.5
"""Up to this angle (degrees) the most frequent ratio is the better estimate of the factor."""
SURE_SHARE = 0.4
"""A fault of the set-up is told only where this share of the readings lies on that plane. Else
something other than the table may have been found."""
NEARBY = (0.6, 1.7)
"""A plane whose depth at the middle of the workspace is out of this range, as a share of the
table's, is a wall or the background: the table is not in view."""
PLANE_POINTS = 3000
"""So many readings at most decide on the tilt."""


@dataclass(frozen=True)
class TableFit:
    """What the visible table says about a depth image.

    Attributes:
        scale: estimated factor between measured and true depth; 1 where `ok` is False.
        inliers: number of (strided) pixels that agree with it.
        ok: whether the table was found where it should be, but for the factor.
        reason: why not, empty if it was.
        setup: whether the reason is a fault of the set-up (pose, intrinsics, table height, image),
            not that the table is hardly visible.
        tilt: angle between the plane that was found and the table, degrees; 0 where none was.
    """

    scale: float
    inliers: int
    ok: bool
    reason: str = ""
    setup: bool = False
    tilt: float = 0.0

    @property
    def doubt(self) -> str:
        """What else a factor far from 1 may come from; empty if it is near 1 or not `ok`."""
        if not self.ok or abs(self.scale - 1) <= DOUBT:
            return ""
        return (
            f"depth was divided by {self.scale:.3f}, which the visible plane implies if it is the "
            "table; a tray that fills the view or a table of another height looks the same, and "
            "grasps are off then: a camera that measures to a percent can ask for scale_limit=0.03"
        )

    def divide(self, depth: NDArray[np.floating]) -> NDArray[np.float32]:
        """A depth image with the factor divided out; a copy of it where `ok` is False."""
        return np.asarray(depth, dtype=np.float32) / np.float32(self.scale)


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
    *,
    limit: float = SCALE_LIMIT,
) -> tuple[NDArray[np.float32], TableFit]:
    """Estimate the depth's global factor from the visible table and divide it out.

    Args:
        depth, intrinsics, T_world_camera, workspace, limit: as for `fit_table`.

    Returns:
        The rescaled depth, and what was found. Where the table is not visible enough, or the set-up
        is wrong, the depth comes back as it was and the fit says why.
    """
    fit = fit_table(depth, intrinsics, T_world_camera, workspace, limit=limit)
    return fit.divide(depth), fit


def fit_table(
    depth: NDArray[np.floating],
    intrinsics: Intrinsics,
    T_world_camera: NDArray,
    workspace: Workspace = WORKSPACE,
    *,
    limit: float = SCALE_LIMIT,
) -> TableFit:
    """Find the table in a depth image: its factor, and whether it lies where it should.

    Args:
        depth: (H, W) metres.
        intrinsics, T_world_camera: the camera, in the workspace frame.
        workspace: its side and the height of the table.
        limit: a factor further than this from 1 is taken for a fault of the set-up.
    """
    coarse = np.asarray(depth, dtype=np.float32)[::STRIDE, ::STRIDE]
    expected = table_depth(intrinsics, T_world_camera, workspace, stride=STRIDE)
    candidates = np.isfinite(expected) & valid_pixels(coarse)
    readings = coarse[candidates]
    fit = _mode_of_ratios(readings / expected[candidates], int(np.isfinite(expected).sum()))
    if len(readings) < MIN_PIXELS:
        return fit
    step = max(1, len(readings) // PLANE_POINTS)
    row, column = (STRIDE * pixels[::step] for pixels in np.nonzero(candidates))
    u, v = (column - intrinsics.cx) / intrinsics.fx, (row - intrinsics.cy) / intrinsics.fy
    points = np.stack([u, v, np.ones_like(u)]) * readings[::step]
    # A plane w in the camera frame holds the points p with w @ p = 1.
    T = np.asarray(T_world_camera, dtype=float)
    table = T[2, :3] / (workspace.table_height - T[2, 3])
    middle = np.array([workspace.side / 2, workspace.side / 2, workspace.table_height])
    ray = T[:3, :3].T @ (middle - T[:3, 3])
    plane, share = _plane_near(points, table / fit.scale) if fit.ok else (table, 0.0)
    if share < SURE_SHARE:
        other, held = _plane_anywhere(points)
        if held >= SURE_SHARE and NEARBY[0] < 1 / (other @ ray) < NEARBY[1]:
            plane, share = other, held
    if not fit.ok and share < SURE_SHARE:
        return fit
    at_middle = 1 / (plane @ ray)
    return _judged(fit, _angle(plane, table), share, at_middle, limit)


def table_in_depth(
    fits: Sequence[TableFit],
    T_world_camera: NDArray,
    workspace: Workspace = WORKSPACE,
) -> float | None:
    """Height (m) at which the table shows in depth that keeps its factors; None if it is unknown.

    A factor moves a plane along the rays to a parallel one. Several views may each have their own;
    the highest counts.

    Args:
        fits: of all views.
        T_world_camera: their poses (V, 4, 4) in the workspace frame.
        workspace: with the true height of the table.
    """
    if not fits or not all(fit.ok for fit in fits):
        return None
    camera = np.asarray(T_world_camera, dtype=float)[:, 2, 3]
    scale = np.array([fit.scale for fit in fits])
    return float((camera - scale * (camera - workspace.table_height)).max())


def _plane_near(
    points: NDArray, plane: NDArray, windows: Sequence[float] = (WINDOW,) * 10
) -> tuple[NDArray, float]:
    """The plane through points (3, n) that is found from a guess, and the share of them on it.

    Readings within the window of the present plane decide on the next one. On a tilted table the
    window holds a strip at first, and more of it every time.
    """
    for window in windows:
        kept = points[:, np.abs(plane @ points - 1) < window]
        if kept.shape[1] < 3:
            return plane, 0.0
        plane = np.linalg.lstsq(kept @ kept.T, kept.sum(1), rcond=1e-9)[0]
    return plane, float((np.abs(plane @ points - 1) < WINDOW).mean())


def _plane_anywhere(points: NDArray) -> tuple[NDArray, float]:
    """The plane that most of the points (3, n) lie on, if they do, and their share."""
    guess = np.linalg.lstsq(points @ points.T, points.sum(1), rcond=1e-9)[0]
    return _plane_near(points, guess, (0.2, 0.1, 0.05, 0.025, WINDOW, WINDOW, WINDOW))


def _angle(first: NDArray, second: NDArray) -> float:
    """Angle between two vectors, degrees."""
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _judged(fit: TableFit, tilt: float, share: float, at_middle: float, limit: float) -> TableFit:
    """The fit, or its refusal, after the plane that was found."""
    sure = share >= SURE_SHARE
    # On a tilted plane the most frequent ratio is that of some strip of it.
    scale = at_middle if sure and (tilt > LEVEL or not fit.ok) else fit.scale
    if tilt > TILT_LIMIT:
        fault = (
            f"the table is seen tilted by {tilt:.1f} degrees (limit {TILT_LIMIT:g}); check the "
            "camera's pose and axes, its intrinsics, and whether the image is flipped"
        )
    elif abs(scale - 1) > limit:
        fault = (
            f"depth is {scale:.3f} times what the table's height implies (limit {limit:g} from "
            "1); check the height of table and camera, the unit of depth, and the intrinsics"
        )
    else:
        return TableFit(scale, fit.inliers, True, tilt=tilt)
    if not sure:
        fault = f"only {share:.0%} of the readings lie on the plane that was found: {fault}"
    return TableFit(1.0, fit.inliers, False, fault, setup=sure, tilt=tilt)


def _mode_of_ratios(ratios: NDArray[np.floating], visible: int) -> TableFit:
    ratios = ratios[(ratios > SCALE_RANGE[0]) & (ratios < SCALE_RANGE[1])]
    if len(ratios) < MIN_PIXELS:
        return TableFit(
            1.0, len(ratios), False, f"only {len(ratios)} pixels may see the table ({MIN_PIXELS})"
        )
    counts, edges = np.histogram(ratios, np.arange(SCALE_RANGE[0], SCALE_RANGE[1] + BIN, BIN))
    # Averaged over five bins, because noise spreads the table's ratios over about so many.
    counts = np.convolve(counts, np.ones(5), mode="same")
    centres, needed = edges[:-1] + BIN / 2, max(MIN_PIXELS, MIN_SHARE * visible)
    scale, inliers = _refined(ratios, centres[counts.argmax()])
    # A tray has covered most of the table if a plane beyond it agrees better with the table.
    beyond = (centres > scale + 2 * WINDOW) & (np.abs(centres - 1) < abs(scale - 1))
    if inliers >= needed and beyond.any():
        other, held = _refined(ratios, centres[beyond][counts[beyond].argmax()])
        if held >= needed and other > scale + 2 * WINDOW:  # a mode, not a tail of the first
            scale, inliers = other, held
    if inliers < needed:
        return TableFit(1.0, inliers, False, f"{inliers} of {visible} pixels agree on a scale")
    return TableFit(scale, inliers, True)


def _refined(ratios: NDArray[np.floating], scale: float) -> tuple[float, int]:
    """The middle of the mode near a ratio, and the number of ratios that belong to it."""
    for _ in range(3):
        inliers = ratios[np.abs(ratios - scale) < WINDOW]
        scale = float(np.median(inliers)) if len(inliers) else scale
    return scale, len(inliers)
