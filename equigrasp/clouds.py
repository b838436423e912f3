"""Grasps from clouds of points, of arrays or files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.lean_open3d import load_open3d
from equigrasp.perception.cloud import view_of_cloud
from equigrasp.plan_result import PlanResult
from equigrasp.planner import GraspPlanner


def plan_points(
    planner: GraspPlanner,
    points: ArrayLike | Sequence[ArrayLike],
    view_point: ArrayLike,
    **asked: Any,
) -> PlanResult:
    """Grasps for one scene seen as one or several clouds.

    Args:
        planner: plans with the images that `equigrasp.perception.cloud` makes of the clouds.
        points: (N, 3), metres, in the world frame (see `GraspPlanner.plan`); or a list of clouds.
        view_point: (3,) where the camera was, or (V, 3), for every cloud: what is free and what is
            hidden hangs on it.
        asked: keyword arguments of `GraspPlanner.plan`, but masks: leave out points instead.

    Raises:
        ValueError: what `view_of_cloud` and `GraspPlanner.plan` refuse.
    """
    eyes = np.asarray(view_point, dtype=np.float64)
    clouds = [points] if eyes.ndim == 1 else list(points)
    if len(clouds) != len(np.atleast_2d(eyes)):
        raise ValueError(
            f"there are {len(clouds)} clouds and {len(np.atleast_2d(eyes))} view points; give one "
            "for each"
        )
    if "mask" in asked:
        raise ValueError("clouds have no masks; limit the region with wanted=Wanted(region=...)")
    views = [view_of_cloud(*each) for each in zip(clouds, np.atleast_2d(eyes), strict=True)]
    depth, cameras, poses = zip(*views, strict=True)
    return planner.plan(list(depth), list(cameras), np.stack(poses), **asked)


def read_cloud(path: Path | str) -> NDArray[np.float64]:
    """Points (N, 3) of a `.npy`, `.ply` or `.pcd` file, in its unit.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: another suffix, or a file that holds no points; naming it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    readers = {".npy": _read_npy, ".ply": _read_ply, ".pcd": _read_pcd}
    if path.suffix.lower() not in readers:
        raise ValueError(f"'{path}' ends in '{path.suffix}'; give one of {', '.join(readers)}")
    points = np.asarray(readers[path.suffix.lower()](path))
    if points.ndim != 2 or points.shape[1] < 3 or not len(points) or points.dtype.kind not in "fiu":
        raise ValueError(f"{path} holds no points: its array is {points.dtype}, {points.shape}")
    return points[:, :3].astype(np.float64)


def _read_npy(path: Path) -> NDArray:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} is no array of numpy: {error}") from error


def _read_ply(path: Path) -> NDArray:
    import trimesh

    try:
        return trimesh.load(path, file_type="ply", process=False).vertices
    except (ValueError, KeyError, IndexError, AttributeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no PLY file with vertices: {error}") from error


def _read_pcd(path: Path) -> NDArray:
    return np.asarray(load_open3d().io.read_point_cloud(str(path), format="pcd").points)
