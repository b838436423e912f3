"""Depth images, volumes and camera poses as a planner is given them, checked and in one form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from equigrasp.geometry.transforms import check_rigid
from equigrasp.perception.camera import (
    Intrinsics,
    depth_to_points,
    valid_pixels,
    validate_depth,
)
from equigrasp.perception.units import to_metres
from equigrasp.workspace import Workspace

MIN_VALID_SHARE = 0.01
"""An image with a smaller share of readings counts as empty."""
VOLUME_TOLERANCE = 1e-3
"""Values of a volume may leave [0, 1] by so much."""


class Views(NamedTuple):
    """V views of a scene.

    Attributes:
        images: of shape (H, W) each, metres; sizes may differ.
        cameras: intrinsics of each.
        poses: (V, 4, 4).
    """

    images: list[NDArray[np.float32]]
    cameras: list[Intrinsics]
    poses: NDArray[np.float64]

    @property
    def shared(self) -> Intrinsics | None:
        """The intrinsics, where all views have the same."""
        return self.cameras[0] if len(set(self.cameras)) == 1 else None

    def stacked(self) -> tuple[NDArray[np.float32], Intrinsics | list[Intrinsics]]:
        """Images (V, H, W) and their intrinsics; smaller images end in pixels without reading."""
        if self.shared is not None:
            return np.stack(self.images), self.shared
        height, width = np.max([image.shape for image in self.images], axis=0).tolist()
        stack = np.zeros((len(self.images), height, width), np.float32)
        for place, image in zip(stack, self.images, strict=True):
            place[: image.shape[0], : image.shape[1]] = image
        return stack, [replace(camera, width=width, height=height) for camera in self.cameras]


def under(views: Views, masks: Sequence[NDArray[np.bool_]]) -> Views:
    """The same views with no reading outside the masks."""
    pairs = zip(views.images, masks, strict=True)
    return views._replace(images=[np.where(mask, image, np.float32(0)) for image, mask in pairs])


def hardly_any_reading(images: list[NDArray[np.float32]]) -> bool:
    """Whether each of the images (H, W) counts as empty."""
    return all(valid_pixels(image).mean() < MIN_VALID_SHARE for image in images)


def in_metres(depth: Any, scale: float | None) -> Any:
    """Depth images as they are given, with whole numbers in metres if their unit is known.

    Args:
        depth: see `check_views`.
        scale: metres of one unit of whole numbers; None leaves all as it is.
    """
    return depth if scale is None else [to_metres(image, scale) for image in _images(depth)]


def check_views(
    depth: ArrayLike | Sequence[ArrayLike],
    intrinsics: Intrinsics | Sequence[Intrinsics],
    T_world_camera: ArrayLike,
) -> Views:
    """Views in one form, each validated.

    Args:
        depth: (H, W) or (V, H, W), metres; or a list of images of different sizes.
        intrinsics: shared by all views, or one for each.
        T_world_camera: (4, 4) or (V, 4, 4).

    Raises:
        ValueError: shapes that do not belong together, or what no depth image with its camera is.
    """
    images = _images(depth)
    poses = check_rigid(T_world_camera, "T_world_camera", many=True)
    if poses.ndim == 2 and len(images) != 1:
        raise ValueError(
            f"T_world_camera has shape (4, 4) for {len(images)} images of shape "
            f"{np.shape(images[0]) if images else ()}; give one (H, W) with (4, 4), or (V, H, W) "
            "with (V, 4, 4), a pose for each"
        )
    poses = poses.reshape(-1, 4, 4)
    several = isinstance(intrinsics, Sequence) and not isinstance(intrinsics, str)
    cameras = list(intrinsics) if several else [intrinsics] * len(images)
    if not len(images) == len(poses) == len(cameras) or not images:
        raise ValueError(
            f"there are {len(images)} depth images, {len(poses)} poses of shape (V, 4, 4) and "
            f"{len(cameras)} intrinsics; give one pose, and one or shared intrinsics, for each "
            "image"
        )
    views = zip(images, cameras, poses, strict=True)
    return Views([validate_depth(*view) for view in views], cameras, poses)


def check_masks(mask: Any, images: Sequence[NDArray]) -> list[NDArray[np.bool_]]:
    """Masks of what is to be grasped, one for each image.

    Args:
        mask: (H, W) or (V, H, W), bool or of whole numbers, where all but 0 belongs to it; a list
            of such images where sizes differ; or for one image a box (left, top, right, bottom) in
            pixels, right and bottom excluded.
        images: (H, W) each.

    Raises:
        ValueError: another number or size of masks, real numbers, an empty box.
    """
    if len(images) == 1 and np.shape(mask) == (4,):
        return [_box(mask, images[0].shape)]
    masks = [np.asarray(each) for each in _images(mask)]
    if [each.shape for each in masks] != [image.shape for image in images]:
        raise ValueError(
            f"mask has shapes {[each.shape for each in masks]} for images of shapes "
            f"{[image.shape for image in images]}; give one of the same size for each"
        )
    if any(each.dtype.kind not in "bui" for each in masks):
        raise ValueError("mask holds real numbers; give True and False, as in `scores > 0.5`")
    return [each != 0 for each in masks]


def _box(box: Any, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels (H, W) of a box (left, top, right, bottom)."""
    left, top, right, bottom = (int(round(float(side))) for side in box)
    if not (0 <= left < right <= shape[1] and 0 <= top < bottom <= shape[0]):
        raise ValueError(
            f"mask is the box {tuple(box)}; give left < right <= {shape[1]} and top < bottom <= "
            f"{shape[0]} in pixels"
        )
    found = np.zeros(shape, dtype=bool)
    found[top:bottom, left:right] = True
    return found


def _images(depth: ArrayLike | Sequence[ArrayLike]) -> list[ArrayLike]:
    """Images one by one; masks stay."""
    if isinstance(depth, list | tuple) and len(depth) and np.ndim(depth[0]) == 2:
        return list(depth)
    image = depth if np.ma.isMaskedArray(depth) else np.asarray(depth)
    if image.ndim == 2:
        return [image]
    if image.ndim != 3:
        raise ValueError(f"depth has shape {image.shape}; give (H, W) or (V, H, W)")
    return list(image)


def where_readings_lie(views: Views, workspace: Workspace) -> str:
    """A sentence on where the readings of some views lie, for someone who sees an empty plan."""
    points = np.concatenate(
        [depth_to_points(*view)[::4] for view in zip(*views, strict=True)], axis=0
    )
    low, high = np.percentile(points, (5, 95), axis=0)
    inside = float(((points >= 0) & (points <= workspace.side)).all(1).mean())
    ranges = [f"{name} {a:.2f} to {b:.2f}" for name, a, b in zip("xyz", low, high, strict=True)]
    text = (
        f"90 % of the readings lie at {', '.join(ranges)} m in the workspace frame, whose cube "
        f"reaches from 0 to {workspace.side:g} m; {inside:.0%} of them lie in it"
    )
    if inside < 0.05:
        text += (
            ": check that T_world_camera is the camera's pose and not its inverse, its axes "
            "(OpenCV: z forward), T_workspace_world, and the unit of lengths"
        )
    return text


def check_volume(tsdf: ArrayLike | Tensor, resolution: int) -> Tensor:
    """A TSDF (N, N, N) in [0, 1], as real numbers of torch, from torch or numpy.

    Args:
        tsdf: given by a user.
        resolution: N.

    Raises:
        ValueError: another shape, whole numbers, NaN, or values that no TSDF in [0, 1] holds.
    """
    try:
        volume = tsdf if isinstance(tsdf, Tensor) else torch.from_numpy(np.array(tsdf))
    except TypeError:
        raise ValueError("the TSDF is not an array of numbers; give (N, N, N)") from None
    if tuple(volume.shape) != (resolution,) * 3:
        raise ValueError(
            f"TSDF has shape {tuple(volume.shape)}; this model needs ({resolution}, {resolution}, "
            f"{resolution})"
        )
    if not volume.is_floating_point():
        raise ValueError(
            f"the TSDF has dtype {volume.dtype}; give real numbers in [0, 1] (0..255: divide by "
            "255)"
        )
    if not volume.isfinite().all():
        lost = int((~volume.isfinite()).sum())
        raise ValueError(
            f"the TSDF holds NaN or infinity in {lost} voxels; unobserved voxels are 0 in both "
            "encodings"
        )
    low, high = float(volume.min()), float(volume.max())
    if low < -VOLUME_TOLERANCE or high > 1 + VOLUME_TOLERANCE:
        cause = (
            "these may be signed distances: divided by the truncation and cut off at 1 they are "
            "t, and the TSDF is (t + 1) / 2 where observed and 0 elsewhere"
            if low < -VOLUME_TOLERANCE
            else "divide by the largest value there can be"
        )
        raise ValueError(f"the TSDF holds values from {low:.4g} to {high:.4g}, not [0, 1]; {cause}")
    return volume.clamp(0.0, 1.0)
