"""Rotations as matrices, on `...` batches of torch tensors.

Quaternions are xyzw and appear only at the border to other software. The parallel jaw is
symmetric under a half turn about its approach axis: R and R Rz(pi) are the same grasp.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from equigrasp.geometry.transforms import quaternion_rows

GRIPPER_SYMMETRY = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))
"""Rz(pi), the half turn that maps a parallel-jaw grasp onto itself (right multiplication)."""


def quaternion_to_matrix(quaternion: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of quaternions (..., 4), xyzw, normalised first."""
    unit = quaternion / quaternion.norm(dim=-1, keepdim=True)
    return torch.stack([torch.stack(row, -1) for row in quaternion_rows(*unit.unbind(-1))], -2)


def matrix_to_quaternion(rotation: Tensor) -> Tensor:
    """Unit quaternions (..., 4), xyzw, of rotation matrices (..., 3, 3); the sign is arbitrary."""
    # 4 q q^T from the entries of R; its row with the largest diagonal is q up to a factor, and the
    # only one that never loses precision (Bar-Itzhack; scipy does the same).
    xx, yy, zz = rotation.diagonal(dim1=-2, dim2=-1).unbind(-1)
    (_, xy, xz), (yx, _, yz), (zx, zy, _) = (row.unbind(-1) for row in rotation.unbind(-2))
    rows = (
        (1 + xx - yy - zz, xy + yx, xz + zx, zy - yz),
        (xy + yx, 1 - xx + yy - zz, yz + zy, xz - zx),
        (xz + zx, yz + zy, 1 - xx - yy + zz, yx - xy),
        (zy - yz, xz - zx, yx - xy, 1 + xx + yy + zz),
    )
    outer = torch.stack([torch.stack(row, -1) for row in rows], -2)
    largest = outer.diagonal(dim1=-2, dim2=-1).argmax(-1)
    row = outer.take_along_dim(largest[..., None, None], -2).squeeze(-2)
    return row / row.norm(dim=-1, keepdim=True)


def rotation_exp(vector: Tensor) -> Tensor:
    """Rotations (..., 3, 3) by |vector| radians about vectors (..., 3); smooth at 0."""
    x, y, z = vector.unbind(-1)
    none = torch.zeros_like(x)
    rows = ((none, -z, y), (z, none, -x), (-y, x, none))
    cross = torch.stack([torch.stack(row, -1) for row in rows], -2)
    angle = vector.norm(dim=-1)[..., None, None]
    # Rodrigues: sin(a) / a and (1 - cos(a)) / a^2.
    first, second = torch.sinc(angle / math.pi), 0.5 * torch.sinc(angle / (2 * math.pi)).square()
    return torch.eye(3).to(vector) + first * cross + second * (cross @ cross)


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
    # With n the unit normal of the rows r1, r2, the pair is (r1 + r2 x n, r2 + n x r1) / c, where
    # c^2 = |r1|^2 + |r2|^2 + 2 |r1 x r2|. Going through A A^T, or through its determinant, would
    # square the condition number of A, and rounding with it.
    first, second = rows.unbind(-2)
    cross = torch.linalg.cross(first, second)
    floor = torch.finfo(rows.dtype).eps  # rows of rounding alone are to stay near zero
    area = cross.square().sum(-1, keepdim=True).clamp(min=floor**2).sqrt()
    normal = cross / area
    scale = (rows.square().sum((-2, -1)).unsqueeze(-1) + 2 * area).sqrt()
    first, second = (
        (first + torch.linalg.cross(second, normal)) / scale,
        (second + torch.linalg.cross(normal, first)) / scale,
    )
    return torch.stack([first, second, normal], -2)


def gram_schmidt(rows: Tensor) -> Tensor:
    """Orthonormal rows (..., 2, 3) of which the first keeps its direction.

    As published (arXiv 2507.18847); turns about z mix the rows, so unlike `polar_rows` this does
    not commute with them.
    """
    first = torch.nn.functional.normalize(rows[..., 0, :], dim=-1)
    second = rows[..., 1, :]
    second = second - (second * first).sum(-1, keepdim=True) * first
    return torch.stack([first, torch.nn.functional.normalize(second, dim=-1)], -2)


def random_rotations(
    shape: tuple[int, ...] = (),
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Rotations (*shape, 3, 3) drawn uniformly (Haar measure)."""
    quaternion = torch.randn(*shape, 4, generator=generator, dtype=torch.float64)
    return quaternion_to_matrix(quaternion).to(dtype)
