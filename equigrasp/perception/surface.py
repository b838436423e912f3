"""The observed surface: its voxels, its points, what lies within reach of it, what stays unseen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor

from equigrasp.perception.camera import Intrinsics, project
from equigrasp.perception.tsdf import BAND_LIMIT, fuse_tsdf
from equigrasp.perception.windows import beside, box_of, grown
from equigrasp.workspace import WORKSPACE, Workspace

SEED_WIDTH = 0.25
"""A voxel marks the surface where |t| is below this: one voxel along the ray, at the default
truncation of four."""
SIGNS = (-1, 1)
COLUMNS = 40
"""Readings are averaged over square columns, so many per side of the workspace."""
SUPPORT = 0.075
"""What rises from the table has to do so in several voxels of a cube with this side, as a share of
the workspace's: three voxels of 40. A single one may be noise."""


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
        floor: surface below this height (m) is the table and does not count, see
            `raised_surface`; None counts all.

    Returns:
        (N, N, N) bool.
    """
    seeds = surface_voxels(tsdf) if floor is None else raised_surface(tsdf, floor, side=side)
    step = side / tsdf.shape[-1]
    return within_reach(seeds, reach / step)


def raised_surface(tsdf: Tensor, floor: float, *, side: float = WORKSPACE.side) -> Tensor:
    """Surface voxels whose surface is higher than a floor, with others like them around.

    A voxel belongs to the surface by its distance along the ray, which seen from above is that to a
    table well below it. So not the voxel's height counts but that of the surface: where the
    distance changes its sign between the voxel and the one above or below it. Only whole numbers
    are added, so this commutes with quarter turns to the last bit.

    Args:
        tsdf: (N, N, N) in either encoding.
        floor: metres.
        side: of the cube, metres.

    Returns:
        (N, N, N) bool.
    """
    step = side / tsdf.shape[-1]
    return _supported(surface_voxels(tsdf) & (_surface_heights(tsdf, step) > floor))


def raised_readings(
    depth: Tensor,
    intrinsics: Intrinsics | Sequence[Intrinsics],
    T_world_camera: ArrayLike,
    floor: float,
    workspace: Workspace = WORKSPACE,
    read: Tensor | None = None,
) -> Tensor:
    """Voxels with readings higher than a floor, in columns whose readings are so on average.

    The mean over a column of voxels keeps little of the noise; that over a voxel would not do, as
    the highest voxels hold just those readings that noise has lifted. Commutes with quarter turns
    as `observed_points` does.

    Args:
        depth, intrinsics, T_world_camera, workspace, read: as for `observed_points`.
        floor: metres.

    Returns:
        (N, N, N) bool, on the device of `depth`.
    """
    n, half = workspace.resolution, workspace.side / 2
    if read is None:
        read = readings(depth, intrinsics, T_world_camera, workspace)
    x, y = _cells(read[:2], workspace.side / COLUMNS, COLUMNS)
    column = x.mul_(COLUMNS).add_(y)
    excess = read[2] - (floor - half)
    total = torch.bincount(column, excess, COLUMNS**2)
    high = ((excess > 0) & (total > 0)[column]).nonzero()[:, 0]
    raised = torch.zeros((n, n, n), dtype=torch.bool)
    raised[tuple(_cells(read[:, high], workspace.voxel, n))] = True
    return raised.to(depth.device)


def _supported(raised: Tensor) -> Tensor:
    """The voxels (N, N, N) of a mask that have enough of its others around them."""
    n = raised.shape[-1]
    half = int((SUPPORT * n - 1) / 2)
    count = raised.to(torch.int16)
    for axis in range(3):
        last = F.pad(count.movedim(axis, -1), (half, half))
        count = sum(last[..., i : i + n] for i in range(2 * half + 1)).movedim(-1, axis)
    return raised & (count >= max(1, (2 * half + 1) ** 2 // 3))


def _surface_heights(tsdf: Tensor, step: float) -> Tensor:
    """Height (N, N, N) of the surface next to each voxel in its column, else of its centre (m)."""
    t = 2 * tsdf - 1
    centre = (torch.arange(len(tsdf), device=tsdf.device, dtype=tsdf.dtype) + 0.5) * step
    low, high = t[..., :-1], t[..., 1:]
    known = (low.abs() < BAND_LIMIT) & (high.abs() < BAND_LIMIT)
    crossed = known & (low <= 0) & (high > 0)
    share = torch.where(crossed, low / (low - high), 0.0)
    height = centre.expand_as(t).clone()
    # A voxel at or below the surface looks up, one above it looks down.
    height[..., :-1] += torch.where(crossed, share, 0.0) * step
    height[..., 1:] -= torch.where(crossed, 1 - share, 0.0) * step
    return height


def within_reach(seeds: Tensor, radius: float) -> Tensor:
    """Voxels (N, N, N), bool, whose distance to the nearest seed is at most `radius` voxels."""
    half, found = int(radius), torch.zeros_like(seeds)
    near = grown(box_of(seeds), half, seeds.shape)
    distance = torch.where(seeds[near], 0.0, torch.inf)
    for _ in range(3):  # squared Euclidean distance separates into one pass per axis
        least = distance.clone()
        for step, (before, behind) in enumerate(beside(distance, half, torch.inf), 1):
            torch.minimum(least, torch.minimum(before, behind).add_(step**2), out=least)
        distance = least.permute(1, 2, 0)
    found[near] = distance <= radius**2
    return found


def observed_points(
    depth: Tensor,
    intrinsics: Intrinsics | Sequence[Intrinsics],
    T_world_camera: ArrayLike,
    workspace: Workspace = WORKSPACE,
    read: Tensor | None = None,
) -> Tensor:
    """What the cameras see inside the workspace: the mean of the readings in every voxel.

    The voxels of an even grid are sent to each other by quarter turns, and readings are added in
    the order of the pixels; so the points of a turned scene are the turned points. They come in
    the order of the voxels, which a turn changes.

    Args:
        depth: (H, W) or (V, H, W) float, metres; 0, negative, NaN or infinite is no reading.
        intrinsics: shared by all views, or one for each.
        T_world_camera: (4, 4) or (V, 4, 4) camera poses in the workspace frame.
        workspace: its cube, and as many voxels per side as it says.
        read: what `readings` returns of these views, where that is known.

    Returns:
        (N, 3) points in the workspace frame, metres, at most one per voxel; float32, on the device
        of `depth`.
    """
    n, half = workspace.resolution, workspace.side / 2
    if read is None:
        read = readings(depth, intrinsics, T_world_camera, workspace)
    cells = _cells(read, workspace.voxel, n)
    index = (cells[0] * n + cells[1]) * n + cells[2]
    count = torch.bincount(index, minlength=n**3)
    used = count.nonzero()[:, 0]
    total = torch.stack([torch.bincount(index, axis, n**3)[used] for axis in read], 1)
    return (total / count[used, None] + half).float().to(depth.device)


def unseen_voxels(
    depth: Tensor,
    intrinsics: Intrinsics | Sequence[Intrinsics],
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
    cameras = _per_view(intrinsics, len(images))
    for image, camera, pose in zip(images, cameras, poses, strict=True):
        tsdf = fuse_tsdf(image, camera, pose, workspace=workspace, encoding="full")
        seen |= tsdf > 0.5 - SEED_WIDTH / 2
    return ~seen


def readings(
    depth: Tensor,
    intrinsics: Intrinsics | Sequence[Intrinsics],
    T_world_camera: ArrayLike,
    workspace: Workspace,
) -> Tensor:
    """Readings of all views inside the cube, (3, n) metres, relative to its middle, on the CPU;
    arguments as those of `observed_points`."""
    images = depth.detach().to("cpu", torch.float32).reshape(-1, *depth.shape[-2:])
    poses = np.asarray(T_world_camera, dtype=np.float64).reshape(-1, 4, 4)
    views = zip(images, _per_view(intrinsics, len(images)), poses, strict=True)
    return torch.cat([_centred_points(*view, workspace.side / 2) for view in views], 1)


def _per_view(intrinsics: Intrinsics | Sequence[Intrinsics], count: int) -> Sequence[Intrinsics]:
    return [intrinsics] * count if isinstance(intrinsics, Intrinsics) else intrinsics


def _cells(points: Tensor, step: float, count: int) -> Tensor:
    """Indices (k, n) of the cells of a grid that coordinates relative to its middle lie in.

    What lies a rounding error inside the cube's upper sides is divided to the cell beyond them.
    """
    return (points / step).floor_().long().add_(count // 2).clamp_(0, count - 1)


def _centred_points(image: Tensor, intrinsics: Intrinsics, pose: np.ndarray, half: float) -> Tensor:
    """Readings inside the cube, (3, n) metres, relative to its middle; in row-major order."""
    rows, columns = _outline(intrinsics, pose, half)
    image = image[rows, columns]
    u = torch.arange(intrinsics.width, dtype=torch.float64)[columns] - intrinsics.cx
    v = torch.arange(intrinsics.height, dtype=torch.float64)[rows] - intrinsics.cy
    u, v = u / intrinsics.fx, v / intrinsics.fy
    inside = (image > 0) & (image < torch.inf)
    axes = []
    for row in pose[:3]:
        slope = (row[1] * v + row[2]).float()[:, None] + (row[0] * u).float()
        axes.append(slope.mul_(image).add_(float(row[3] - half)))
        inside &= axes[-1].abs() < half
    kept = inside.flatten().nonzero()[:, 0]
    return torch.stack([axis.flatten()[kept] for axis in axes])


def _outline(intrinsics: Intrinsics, pose: np.ndarray, half: float) -> tuple[slice, slice]:
    """Rows and columns of the image that can show something of the cube."""
    corners = half * np.array([(1 + x, 1 + y, 1 + z) for x in SIGNS for y in SIGNS for z in SIGNS])
    u, v, z = project(corners, intrinsics, pose).T
    if z.min() <= 0:  # it reaches behind the camera
        return slice(None), slice(None)
    low, high = (np.array([bound(v), bound(u)]) for bound in (np.min, np.max))
    first, last = np.floor(low).clip(0).astype(int), np.ceil(high).clip(-1).astype(int)
    return slice(first[0], last[0] + 1), slice(first[1], last[1] + 1)
