"""Projective fusion of depth images into truncated signed distance volumes, in torch.

Every voxel centre is projected into every view; the signed distance along its ray, divided by the
truncation and clipped at 1, is averaged over the views that see it. This is Open3D's
`UniformTSDFVolume`, restricted to the workspace cube, without its loop over pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equigrasp.geometry.marching import marching_cubes
from equigrasp.perception.camera import Intrinsics
from equigrasp.workspace import WORKSPACE, Workspace

ENCODINGS = {"published": (1.0, 0.0), "full": (2.0, -1.0)}
"""TSDF encodings, each with the scale and offset that put "nothing known here", or the middle of
the range, at zero, as networks like their inputs."""
TRUNCATION_VOXELS = 4
BAND_LIMIT = 0.98
"""VGN and GIGA keep voxels with a truncated distance |t| below this and write 0 elsewhere."""
FREE_CODE = (1 + BAND_LIMIT) / 2
"""Values above this are free space in the encoding "full"."""


def voxel_axis(workspace: Workspace = WORKSPACE, **factory) -> Tensor:
    """(N,) coordinates of voxel centres on each axis, metres: (i + 0.5) * side / N.

    `factory` takes the dtype and device of the result.
    """
    return (torch.arange(workspace.resolution, **factory) + 0.5) * workspace.voxel


def check_encoding(encoding: str) -> None:
    """Raise ValueError unless this is the name of one of the `ENCODINGS`."""
    if encoding not in ENCODINGS:
        raise ValueError(f"encoding is {encoding!r}; use one of {', '.join(ENCODINGS)}")


def fuse_tsdf(
    depth: Tensor,
    intrinsics: Intrinsics | Sequence[Intrinsics] | Tensor,
    T_world_camera: Tensor | np.ndarray,
    *,
    workspace: Workspace = WORKSPACE,
    encoding: str = "published",
) -> Tensor:
    """Fuse depth images of one scene, or of a batch of scenes, into TSDF volumes.

    Args:
        depth: (H, W), (V, H, W) or (B, V, H, W) float, metres; 0, negative, NaN or infinite
            pixels carry no reading and change nothing.
        intrinsics: shared by all views, one for each view of a scene, or camera matrices (3, 3) or
            (B, 3, 3).
        T_world_camera: (4, 4), (V, 4, 4) or (B, V, 4, 4) camera poses in the workspace frame.
        workspace: the cube and its voxels, an even number per side. Distances are cut off at four
            voxels.
        encoding: "published" gives (t + 1) / 2 where |t| < 0.98 and 0 elsewhere, so that free and
            unobserved look alike; "full" gives (t + 1) / 2 where observed (free space 1) and 0
            where unobserved.

    Returns:
        (N, N, N), or (B, N, N, N) for a batch; indexed [x, y, z]; on the device of `depth`.

    Raises:
        ValueError: for an unknown encoding, an odd resolution or shapes that do not fit.
    """
    check_encoding(encoding)
    if workspace.resolution % 2:
        raise ValueError(
            f"resolution is {workspace.resolution}; it must be even, so that turns are exact"
        )
    if not 2 <= depth.dim() <= 4:
        raise ValueError(f"depth has shape {tuple(depth.shape)}; give (H,W), (V,H,W) or (B,V,H,W)")
    batched = depth.dim() == 4
    images = depth.reshape((1,) * (4 - depth.dim()) + depth.shape)
    batch, views = images.shape[:2]
    if isinstance(T_world_camera, np.ndarray):
        T_world_camera = np.ascontiguousarray(T_world_camera)
    # Cameras stay on the CPU in double precision, which not every accelerator has.
    poses = torch.as_tensor(T_world_camera).to("cpu", torch.float64)
    if poses.numel() != batch * views * 16:
        raise ValueError(
            f"T_world_camera has shape {tuple(poses.shape)}; {views} view(s) of {batch} scene(s) "
            "need one (4, 4) pose each"
        )
    poses = poses.reshape(batch, views, 4, 4)
    K = _camera_matrices(intrinsics, batch, views)
    # One scene at a time stays in a CPU's cache; an accelerator takes them all at once.
    chunk = 1 if depth.device.type == "cpu" else batch
    grid = torch.cat(
        [
            _fuse(*part, workspace, encoding)
            for part in zip(images.split(chunk), K.split(chunk), poses.split(chunk), strict=True)
        ]
    )
    return grid if batched else grid[0]


def surface_mesh(
    tsdf: NDArray[np.floating], side: float = WORKSPACE.side
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Observed surface of a TSDF (N, N, N) in either encoding, by marching cubes.

    Args:
        tsdf: (N, N, N).
        side: of the cube, metres.

    Returns:
        vertices (V, 3) in metres and triangles (F, 3); both empty where no surface was seen.
    """
    if not (tsdf > 0.5).any() or not (tsdf < 0.5).any():
        return np.zeros((0, 3)), np.zeros((0, 3), np.int64)
    vertices, faces = marching_cubes(tsdf, 0.5)
    # The values also cross 0.5 where observed space meets unobserved space, without any surface. A
    # real one lies between two voxels that were both seen to be near it.
    band = (tsdf > 1 - FREE_CODE) & (tsdf < FREE_CODE)
    low, high = np.floor(vertices).astype(int), np.ceil(vertices).astype(int)
    seen = band[tuple(low.T)] & band[tuple(high.T)]
    faces = faces[seen[faces].all(1)]
    used, faces = np.unique(faces, return_inverse=True)
    return (vertices[used] + 0.5) * (side / len(tsdf)), faces.reshape(-1, 3)


def _camera_matrices(
    intrinsics: Intrinsics | Sequence[Intrinsics] | Tensor, batch: int, views: int
) -> Tensor:
    """(B, V, 3, 3) float64, on the CPU."""
    if isinstance(intrinsics, Intrinsics):
        intrinsics = torch.as_tensor(intrinsics.K)
    elif not isinstance(intrinsics, Tensor):
        K = torch.as_tensor(np.stack([each.K for each in intrinsics]))
        if len(K) != views:
            raise ValueError(f"there are {len(K)} intrinsics for {views} views; give one for each")
        return K.expand(batch, views, 3, 3)
    K = intrinsics.to("cpu", torch.float64).expand(batch, 3, 3)
    return K[:, None].expand(batch, views, 3, 3)


def _fuse(
    images: Tensor,
    K: Tensor,
    poses: Tensor,
    workspace: Workspace,
    encoding: str,
) -> Tensor:
    """Volumes (B, N, N, N) from images (B, V, H, W)."""
    truncation = TRUNCATION_VOXELS * workspace.side / workspace.resolution
    total = weight = 0.0
    for view in range(images.shape[1]):
        image, pose = images[:, view], poses[:, view]
        distance, seen = _signed_distance(image, K[:, view], pose, workspace)
        seen &= distance > -truncation
        total = total + torch.where(seen, (distance / truncation).clamp(max=1.0), 0.0)
        weight = weight + seen.to(images.dtype)
    return _encode(total / weight.clamp(min=1), weight > 0, encoding)


def _signed_distance(
    image: Tensor, K: Tensor, pose: Tensor, workspace: Workspace
) -> tuple[Tensor, Tensor]:
    """Distance (B, N, N, N) from voxel centres to the seen surface, and where it is known.

    It is measured along the ray of the pixel that the centre falls into.
    """
    height, width = image.shape[-2:]
    u, v, z = _project_centres(K, pose, workspace, image)
    depth = z.clamp(min=1e-6)  # voxels behind the camera drop out below
    u, v = u.div_(depth).floor_(), v.div_(depth).floor_()
    column, row = u.clamp(0, width - 1), v.clamp(0, height - 1)
    inside = (column == u) & (row == v) & (z > 0)
    index = (row.long() * width + column.long()).flatten(1)
    reading = torch.gather(image.flatten(1), 1, index).reshape(z.shape)
    seen = inside & (reading > 0) & (reading < torch.inf)
    k = K.to(image)[:, :, :, None, None, None]
    slope_x = (column - k[:, 0, 2]) / k[:, 0, 0]
    slope_y = (row - k[:, 1, 2]) / k[:, 1, 1]
    stretch = slope_x.square_().add_(slope_y.square_()).add_(1.0).sqrt_()
    return (torch.where(seen, reading, 0.0) - z).mul_(stretch), seen


def _project_centres(
    K: Tensor, pose: Tensor, workspace: Workspace, like: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """u z, v z and z of voxel centres, (B, N, N, N) each, u and v half a pixel on for rounding.

    All three are affine in the position, so they are sums of one term per axis.
    """
    camera = K.clone()
    camera[:, :2, 2] += 0.5
    rows = camera @ pose[:, :3, :3].mT
    offset = -(rows @ pose[:, :3, 3:])[..., 0]
    along = rows[..., None] * voxel_axis(workspace, dtype=K.dtype)  # (B, row, axis, N)
    flat = along[:, :, 0, :, None] + along[:, :, 1, None, :] + offset[..., None, None]
    level, height = flat.to(like)[..., None], along[:, :, 2].to(like)[:, :, None, None]
    return tuple(level[:, i] + height[:, i] for i in range(3))


def _encode(t: Tensor, observed: Tensor, encoding: str) -> Tensor:
    value = (t + 1) / 2
    if encoding == "published":
        return torch.where(observed & (t.abs() < BAND_LIMIT), value, 0.0)
    # 0 means "unobserved"; an observed voxel at t = -1 takes the smallest value above it.
    return torch.where(observed, value.clamp(min=torch.finfo(t.dtype).eps), 0.0)
