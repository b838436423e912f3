"""Depth images and camera poses as a planner is given them, checked and brought into one form."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.perception.camera import Intrinsics, valid_pixels, validate_depth

MIN_VALID_SHARE = 0.01
"""An image with a smaller share of readings counts as empty."""


def hardly_any_reading(images: list[NDArray[np.float32]]) -> bool:
    """Whether each of the images (H, W) counts as empty."""
    return all(valid_pixels(image).mean() < MIN_VALID_SHARE for image in images)


def check_views(
    depth: ArrayLike, intrinsics: Intrinsics, T_world_camera: ArrayLike
) -> tuple[list[NDArray[np.float32]], NDArray[np.float64]]:
    """Views as lists of (H, W) images and an array of (V, 4, 4) poses, each validated.

    Args:
        depth: (H, W) or (V, H, W), metres.
        intrinsics: shared by all views.
        T_world_camera: (4, 4) or (V, 4, 4).

    Raises:
        ValueError: shapes that do not belong together, or what no depth image with its camera is.
    """
    depth, poses = np.asarray(depth), np.asarray(T_world_camera, dtype=np.float64)
    if depth.ndim == 2 and poses.ndim == 2:
        depth, poses = depth[None], poses[None]
    if depth.ndim != 3 or poses.ndim != 3 or len(depth) != len(poses) or not len(depth):
        raise ValueError(
            f"depth has shape {depth.shape} and T_world_camera {poses.shape}; give (H, W) with "
            "(4, 4), or (V, H, W) with (V, 4, 4)"
        )
    return [validate_depth(d, intrinsics, T) for d, T in zip(depth, poses, strict=True)], poses
