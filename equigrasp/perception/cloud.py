"""From a cloud of points to the depth image that a camera at a view point would have taken.

Volumes tell free space from hidden space by the rays of a camera. A cloud has none, but what it
shows was seen from somewhere: its points are drawn into an image from there, as far apart as they
are dense, and the image is fused like any other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.geometry.transforms import Matrix, look_at
from equigrasp.perception.camera import FAR, Intrinsics, project

SIDES = (64, 640)
"""Least and most pixels on a side of the image."""
PER_PIXEL = 2.0
"""So many points fall into a pixel on average where the cloud is, so that few stay empty there."""
MARGIN = 1.1
"""The image is this much larger than what the cloud fills."""
FILL_FROM = 5
"""A pixel without a point is filled where so many of the eight around it have one."""


class CloudView(NamedTuple):
    """What a camera at the view point would have taken.

    Attributes:
        depth: (H, W) float32, metres; 0 where there is no point.
        intrinsics: of the camera.
        T_world_camera: (4, 4) its pose in the frame of the points.
    """

    depth: NDArray[np.float32]
    intrinsics: Intrinsics
    T_world_camera: Matrix


def view_of_cloud(points: ArrayLike, view_point: ArrayLike) -> CloudView:
    """The depth image of a cloud, seen from where it was taken.

    Of points in one pixel the nearest counts.

    Args:
        points: (N, 3), metres; rows with NaN or infinity are left out.
        view_point: (3,) place of the camera, in the same frame.

    Raises:
        ValueError: another shape, no points, or a view point among them.
    """
    cloud, eye = np.asarray(points, dtype=np.float64), np.asarray(view_point, dtype=np.float64)
    if cloud.ndim != 2 or cloud.shape[1] != 3:
        raise ValueError(f"points have shape {cloud.shape}; give (N, 3), metres")
    if eye.shape != (3,) or not np.isfinite(eye).all():
        raise ValueError(f"view_point is {eye.tolist()}; give the camera's place, 3 metres")
    cloud = cloud[np.isfinite(cloud).all(1)]
    cloud = cloud[np.linalg.norm(cloud - eye, axis=1) < 2 * FAR]
    if len(cloud) < 3:
        raise ValueError(
            f"{len(cloud)} finite points lie within {2 * FAR:g} m of the view point; check the "
            "unit, the frame and the view point"
        )
    pose = look_at(eye, np.median(cloud, axis=0))
    plain = Intrinsics(1, 1, 1.0, 1.0, 0.0, 0.0)
    u, v, z = project(cloud, plain, pose).T
    ahead = z > 0.02
    if ahead.mean() < 0.9:
        raise ValueError(
            f"{1 - ahead.mean():.0%} of the points lie behind the view point, which must be where "
            "the camera was"
        )
    u, v, z = u[ahead], v[ahead], z[ahead]
    half = MARGIN * np.maximum(np.percentile(np.abs([u, v]), 99.5, axis=1), 1e-3)
    focal = _focal(u, v, half)
    width, height = (int(np.clip(2 * focal * side, *SIDES)) for side in half)
    camera = Intrinsics(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
    return CloudView(_drawn(u, v, z, camera), camera, pose)


def _focal(u: NDArray, v: NDArray, half: NDArray) -> float:
    """Pixels per unit at which `PER_PIXEL` points fall into a pixel of what the cloud covers."""
    cells = 48
    low, high = -half, half
    share = np.mean(np.histogram2d(u, v, cells, [(low[0], high[0]), (low[1], high[1])])[0] > 0)
    area = 4 * half[0] * half[1] * max(share, 1e-3)
    focal = float(np.sqrt(len(u) / (PER_PIXEL * area)))
    least, most = (side / (2 * half.max()) for side in SIDES)
    return float(np.clip(focal, least, most))


def _drawn(u: NDArray, v: NDArray, z: NDArray, camera: Intrinsics) -> NDArray[np.float32]:
    """The nearest point of every pixel (H, W); small gaps are filled."""
    column = np.rint(u * camera.fx + camera.cx).astype(int)
    row = np.rint(v * camera.fy + camera.cy).astype(int)
    inside = (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
    image = np.full((camera.height, camera.width), np.inf)
    np.minimum.at(image, (row[inside], column[inside]), z[inside])
    around = np.lib.stride_tricks.sliding_window_view(
        np.pad(image, 1, constant_values=np.inf), (3, 3)
    ).reshape(*image.shape, 9)
    seen = np.isfinite(around)
    gap = ~np.isfinite(image) & (seen.sum(-1) >= FILL_FROM)
    if gap.any():
        image[gap] = np.nanmedian(np.where(seen[gap], around[gap], np.nan), axis=-1)
    return np.where(np.isfinite(image), image, 0.0).astype(np.float32)
