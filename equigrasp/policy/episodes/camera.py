"""Cameras as RLBench describes them, from OpenGL ones, and the points they see."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.geometry.transforms import inverse_transform
from equigrasp.policy.episodes.frames import FrameCamera

_FROM_OPENGL = np.diag([-1.0, 1.0, -1.0, 1.0])
"""OpenGL looks along -z with x to the right; RLBench along z with x to the left."""


def intrinsics_of(width: int, height: int, field_of_view: float) -> NDArray[np.float64]:
    """(3, 3) of a camera whose longer side spans `field_of_view` degrees."""
    focal = -max(width, height) / (2 * math.tan(math.radians(field_of_view) / 2))
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])


def camera_from_opengl(
    view: ArrayLike, intrinsics: ArrayLike, near: float, far: float
) -> FrameCamera:
    """Camera with an OpenGL view matrix (4, 4), world to camera, row by row."""
    extrinsics = inverse_transform(np.asarray(view, np.float64)) @ _FROM_OPENGL
    return FrameCamera(extrinsics, np.asarray(intrinsics, np.float64), near, far)


def opengl_depth(buffer: ArrayLike, near: float, far: float) -> NDArray[np.float64]:
    """Metres along the viewing axis from an OpenGL depth buffer in [0, 1]."""
    return far * near / (far - (far - near) * np.asarray(buffer, np.float64))


def point_cloud(depth: ArrayLike, camera: FrameCamera) -> NDArray[np.float64]:
    """World points (H, W, 3) of a depth image (H, W) in metres.

    Pixel (u, v) is the ray through image coordinates (u, v): no half pixel, as in RLBench.
    """
    depth = np.asarray(depth, np.float64)
    v, u = np.indices(depth.shape, dtype=np.float64)
    rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(camera.intrinsics).T
    rotation, centre = camera.extrinsics[:3, :3], camera.extrinsics[:3, 3]
    return (depth[..., None] * rays) @ rotation.T + centre
