"""Rotations of keyframes as six numbers: the first two rows of their matrices."""

from __future__ import annotations

import torch
from torch import Tensor

from equigrasp.geometry.rotations import polar_rows
from equigrasp.policy.keyframes.rotation_bins import bins_to_rotation, rotation_to_bins


def matrix_to_six(rotation: Tensor) -> Tensor:
    """First two rows (..., 6) of rotation matrices (..., 3, 3)."""
    return rotation[..., :2, :].flatten(-2)


def six_to_matrix(six: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) nearest to six numbers (..., 6).

    The polar decomposition treats both rows alike; Gram-Schmidt, as published, keeps the direction
    of the first and lets the second take the error.
    """
    return polar_rows(six.unflatten(-1, (2, 3)))


def bins_to_six(bins: Tensor, like: Tensor) -> Tensor:
    """Six numbers (..., 6) of bins (..., 3), with another tensor's type and device."""
    return matrix_to_six(torch.as_tensor(bins_to_rotation(bins.cpu().numpy()))).to(like)


def six_to_bins(six: Tensor) -> Tensor:
    """Bins (..., 3) of the rotations nearest to six numbers (..., 6)."""
    matrices = six_to_matrix(six.detach().double()).cpu().numpy()
    return torch.as_tensor(rotation_to_bins(matrices)).to(six.device)
