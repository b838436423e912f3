"""The observed surface: its voxels, its points, what lies within reach of it, what stays unseen."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor

from equigrasp.perception.camera import Intrinsics
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.workspace import WORKSPACE, Workspace

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
    return within_reach(seeds, reach / step)


def within_reach(seeds: Tensor, radius: float) -> Tensor:
    """Voxels (N, N, N), bool, whose distance to the nearest seed is at most `radius` voxels."""
    half = int(radius)
    squares = torch.arange(-half, half + 1, device=seeds.device, dtype=torch.float32) ** 2
    distance = torch.where(seeds, 0.0, torch.inf)
    for axis in range(3):  # squared Euclidean distance separates into one pass per axis
        last = distance.movedim(axis, -1)
        windows = F.pad(last, (half, half), value=torch.inf).unfold(-1, 2 * half + 1, 1)
        distance = (windows + squares).amin(-1).movedim(-1, axis)
    return distance <= radius**2


def observed_points(
    depth: Tensor,
    intrinsics: Intrinsics,
    T_world_camera: ArrayLike,
    workspace: Workspace = WORKSPACE,
) -> Tensor:
    """What the cameras see inside the workspace: the mean of the readings in every voxel.

    The voxels of an even grid are sent to each other by quarter turns, and readings are added in
    the order of the pixels; so the points of a turned scene are the turned points. They come in
    the order of the voxels, which a turn changes.

    Args:
        depth: (H, W) or (V, H, W) float, metres; 0, negative, NaN or infinite is no reading.
        intrinsics: shared by all views.
        T_world_camera: (4, 4) or (V, 4, 4) camera poses in the workspace frame.
        workspace: its cube, and as many voxels per side as it says.

    Returns:
        (N, 3) points in the workspace frame, metres, at most one per voxel; float32, on the device
        of `depth`.
    """
    images = depth.detach().to("cpu", torch.float32).reshape(-1, *depth.shape[-2:])
    poses = np.asarray(T_world_camera, dtype=np.float64).reshape(-1, 4, 4)
    n, half = workspace.resolution, workspace.side / 2
    readings = [
        _centred_points(image, intrinsics, pose, half)
        for image, pose in zip(images, poses, strict=True)
    ]
    points = torch.cat(readings, 1)
    cells = (points / workspace.voxel).floor_().long() + n // 2
    index = (cells[0] * n + cells[1]) * n + cells[2]
    count = torch.bincount(index, minlength=n**3)
    used = count.nonzero()[:, 0]
    total = torch.stack([torch.bincount(index, axis, n**3)[used] for axis in points], 1)
    return (total / count[used, None] + half).float().to(depth.device)


def unseen_voxels(
    depth: Tensor,
    intrinsics: Intrinsics,
    T_world_camera: ArrayLike,
    workspace: Workspace = WORKSPACE,
) -> Tensor:
    """Voxels that no view shows to be free or surface: hidden, out of sight or without a reading.

    Args:
        depth, intrinsics, T_world_camera, workspace: as for `observed_points`.

    Returns:
        (N, N, N) bool, indexed [x, y, z], on the device of `depth`.
    """
    images = depth.reshape(-1, *depth.shape[-2:])
    poses = np.asarray(T_world_camera, dtype=np.float64).reshape(-1, 4, 4)
    seen = torch.zeros((workspace.resolution,) * 3, dtype=torch.bool, device=depth.device)
    for image, pose in zip(images, poses, strict=True):
        tsdf = fuse_tsdf(image, intrinsics, pose, workspace=workspace, encoding="full")
        seen |= tsdf > 0.5 - SEED_WIDTH / 2
    return ~seen


def _centred_points(image: Tensor, intrinsics: Intrinsics, pose: np.ndarray, half: float) -> Tensor:
    """Readings inside the cube, (3, n) metres, relative to its middle; in row-major order."""
    u = torch.arange(image.shape[1], dtype=torch.float64).sub_(intrinsics.cx) / intrinsics.fx
    v = torch.arange(image.shape[0], dtype=torch.float64).sub_(intrinsics.cy) / intrinsics.fy
    inside = (image > 0) & (image < torch.inf)
    axes = []
    for row in pose[:3]:
        slope = (row[1] * v + row[2]).float()[:, None] + (row[0] * u).float()
        axes.append(slope.mul_(image).add_(float(row[3] - half)))
        inside &= axes[-1].abs() < half
    return torch.stack([axis[inside] for axis in axes])
