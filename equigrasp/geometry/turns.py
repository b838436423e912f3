"""Quarter turns of the workspace about its vertical axis, acting on volumes and points."""

from __future__ import annotations

import torch
from torch import Tensor


def turn_grid(tsdf: Tensor, turns: int = 1) -> Tensor:
    """Turn volumes (..., N, N, N) by `turns` times +90 degrees about z: exact on voxel centres."""
    return torch.rot90(tsdf, turns, (-3, -2))


def turn_matrix(turns: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Rotation (3, 3) by `turns` times +90 degrees about z, with exact zeros and ones."""
    quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=dtype)
    return torch.linalg.matrix_power(quarter, turns % 4)


def turn_points(points: Tensor, turns: int = 1) -> Tensor:
    """Turn normalised points (..., 3) about the workspace's vertical axis."""
    return points @ turn_matrix(turns, points.dtype).to(points.device).T
