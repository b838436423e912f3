"""Depth images of lenses that bend straight lines, made into those of a pinhole camera.

The model is OpenCV's (calibration module, `distortPoints`): a point at (x, y, 1) in the camera
frame appears at ((1 + k1 r2 + k2 r4 + k3 r6) / (1 + k4 r2 + k5 r4 + k6 r6)) (x, y) plus tangential
terms in p1 and p2. Depth is z, which does not change on the way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.perception.camera import Intrinsics, pixel_rays

COUNTS = (4, 5, 8)
"""k1, k2, p1, p2, then k3, then k4, k5, k6."""


def distorted(x: NDArray, y: NDArray, coefficients: ArrayLike) -> tuple[NDArray, NDArray]:
    """Where points (x, y, 1) appear, in the same units.

    Args:
        x, y: of any one shape.
        coefficients: 4, 5 or 8 numbers in OpenCV's order.

    Raises:
        ValueError: another number of them, or one that is not finite.
    """
    k = np.asarray(coefficients, dtype=np.float64).reshape(-1)
    if len(k) not in COUNTS or not np.isfinite(k).all():
        raise ValueError(
            f"distortion is {k.tolist()}; give {COUNTS[0]}, {COUNTS[1]} or {COUNTS[2]} finite "
            "numbers in OpenCV's order: k1, k2, p1, p2, k3, k4, k5, k6"
        )
    k1, k2, p1, p2, k3, k4, k5, k6 = np.pad(k, (0, 8 - len(k)))
    r2 = x * x + y * y
    radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )


def undistort(
    depth: ArrayLike, intrinsics: Intrinsics, coefficients: ArrayLike
) -> NDArray[np.float32]:
    """The depth image (H, W) that a pinhole camera of the same intrinsics would have taken.

    Every pixel takes the nearest reading, so that edges stay edges; what the lens did not see has
    no reading (0).

    Args:
        depth: (H, W), z in metres, as the lens shows it.
        intrinsics: of the camera matrix that belongs to the coefficients.
        coefficients: see `distorted`.

    Raises:
        ValueError: another shape than that of the intrinsics; coefficients that are none.
    """
    image = np.ma.filled(np.ma.asarray(depth, dtype=np.float32), 0.0)
    if image.shape != (intrinsics.height, intrinsics.width):
        raise ValueError(
            f"depth has shape {image.shape}, the intrinsics say "
            f"({intrinsics.height}, {intrinsics.width}); they must belong together"
        )
    rays = pixel_rays(intrinsics).astype(np.float64)
    x, y = distorted(rays[..., 0], rays[..., 1], coefficients)
    column = np.rint(x * intrinsics.fx + intrinsics.cx)
    row = np.rint(y * intrinsics.fy + intrinsics.cy)
    inside = (column >= 0) & (column < intrinsics.width) & (row >= 0) & (row < intrinsics.height)
    found = np.zeros_like(image)
    found[inside] = image[row[inside].astype(int), column[inside].astype(int)]
    return found
