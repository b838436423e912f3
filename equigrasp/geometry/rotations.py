"""Rotations as matrices, on `...` batches of torch tensors.

Quaternions are xyzw and appear only at the border to other software. The parallel jaw is
symmetric under a half turn about its approach axis: R and R Rz(pi) are the same grasp.
"""

from __future__ import annotations

import roma
import torch
from torch import Tensor

GRIPPER_SYMMETRY = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))
"""Rz(pi), the half turn that maps a parallel-jaw grasp onto itself (right multiplication)."""


def quaternion_to_matrix(quaternion: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of quaternions (..., 4), xyzw, normalised first."""
    return roma.unitquat_to_rotmat(quaternion / quaternion.norm(dim=-1, keepdim=True))


def matrix_to_quaternion(rotation: Tensor) -> Tensor:
    """Unit quaternions (..., 4), xyzw, of rotation matrices (..., 3, 3); the sign is arbitrary."""
    return roma.rotmat_to_unitquat(rotation)


def geodesic_distance(first: Tensor, second: Tensor) -> Tensor:
    """Angle (...) in radians of the rotation from `first` to `second` (..., 3, 3).

    Computed from the chord, which keeps its precision (and its gradient) near 0; float32 loses
    about 1e-3 rad near pi.
    """
    chord = (first - second).flatten(-2).norm(dim=-1)
    return 2 * torch.asin((chord / 8**0.5).clamp(max=1.0))


def symmetric_geodesic_distance(first: Tensor, second: Tensor) -> Tensor:
    """Smaller of the angles (...) from `first` to `second` and to `second` Rz(pi), in radians."""
    other = second @ GRIPPER_SYMMETRY.to(second)
    return torch.minimum(geodesic_distance(first, second), geodesic_distance(first, other))


def polar_rows(rows: Tensor) -> Tensor:
    """Rotation whose first two rows are the orthonormal pair nearest to a 2x3 matrix.

    The polar factor (A A^T)^(-1/2) A commutes with turns about z, which mix the two rows;
    Gram-Schmidt does not, for it favours the first row.

    Args:
        rows: (..., 2, 3), of rank 2. Rank-deficient input is regularised, never NaN.

    Returns:
        (..., 3, 3); the third row is the cross product of the first two.
    """
    gram = rows @ rows.transpose(-1, -2)
    a, b, d = gram[..., 0, 0], gram[..., 0, 1], gram[..., 1, 1]
    # Square root of a symmetric positive 2x2 matrix: (G + sqrt(det) I) / sqrt(trace + 2 sqrt(det)).
    floor = torch.finfo(rows.dtype).eps ** 2
    root = (a * d - b * b).clamp(min=floor).sqrt()
    scale = (a + d + 2 * root).clamp(min=floor).sqrt()
    # Its inverse has the adjugate as numerator and root as determinant.
    inverse = (
        torch.stack([torch.stack([d + root, -b], -1), torch.stack([-b, a + root], -1)], -2)
        / (root * scale)[..., None, None]
    )
    top = inverse @ rows
    return torch.cat([top, torch.linalg.cross(top[..., :1, :], top[..., 1:, :])], -2)


def random_rotations(
    shape: tuple[int, ...] = (),
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Rotations (*shape, 3, 3) drawn uniformly (Haar measure)."""
    quaternion = torch.randn(*shape, 4, generator=generator, dtype=torch.float64)
    return quaternion_to_matrix(quaternion).to(dtype)
