"""Rigid transforms as (4, 4) numpy matrices, `T_parent_local` mapping local to parent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Matrix = NDArray[np.float64]


def make_transform(rotation: ArrayLike, translation: ArrayLike) -> Matrix:
    """(..., 4, 4) from rotations (..., 3, 3) and translations (..., 3)."""
    rotation = np.asarray(rotation, dtype=np.float64)
    T = np.zeros((*rotation.shape[:-2], 4, 4))
    T[..., :3, :3] = rotation
    T[..., :3, 3] = translation
    T[..., 3, 3] = 1.0
    return T


def inverse_transform(T: ArrayLike) -> Matrix:
    """Inverse of rigid transforms (..., 4, 4)."""
    T = np.asarray(T, dtype=np.float64)
    turned = np.swapaxes(T[..., :3, :3], -1, -2)
    return make_transform(turned, -(turned @ T[..., :3, 3:])[..., 0])


def transform_points(T: ArrayLike, points: ArrayLike) -> Matrix:
    """Points (..., n, 3) mapped by transforms (..., 4, 4)."""
    T = np.asarray(T, dtype=np.float64)
    turned = np.asarray(points) @ np.swapaxes(T[..., :3, :3], -1, -2)
    return turned + T[..., None, :3, 3]


def look_at(eye: ArrayLike, target: ArrayLike, up: ArrayLike = (0.0, 0.0, 1.0)) -> Matrix:
    """Pose `T_world_camera` of an OpenCV camera (x right, y down, z forward) at `eye`.

    Raises:
        ValueError: if eye and target coincide or `up` is parallel to the line of sight.
    """
    eye, target, up = (np.asarray(v, dtype=np.float64) for v in (eye, target, up))
    forward = target - eye
    right = np.cross(forward, up)
    if np.linalg.norm(right) < 1e-9 * max(1.0, float(np.linalg.norm(forward))):
        raise ValueError(
            f"the view from {eye} to {target} is parallel to up {up} or has no length; "
            "give another up vector"
        )
    z = forward / np.linalg.norm(forward)
    x = right / np.linalg.norm(right)
    return make_transform(np.stack([x, np.cross(z, x), z], axis=1), eye)


def quaternion_to_transform(quaternion: ArrayLike, translation: ArrayLike) -> Matrix:
    """(4, 4) from a quaternion xyzw, normalised first, and a translation."""
    quaternion = np.asarray(quaternion, np.float64)
    unit = (quaternion / np.linalg.norm(quaternion)).tolist()
    return make_transform(quaternion_rows(*unit), translation)


def quaternion_rows(x: Any, y: Any, z: Any, w: Any) -> tuple[tuple[Any, ...], ...]:
    """Rows of the rotation matrix of a unit quaternion: of numbers or of arrays."""
    return (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )


def frame_from_approach(approach: ArrayLike, closing: ArrayLike | None = None) -> Matrix:
    """Rotations (..., 3, 3) of hands whose z axis is `approach` and whose y axis is `closing`.

    Args:
        approach: unit vectors (..., 3).
        closing: unit vectors (..., 3) orthogonal to them; by default x is world x made orthogonal
            to the approach, or world y where the approach is nearly along x (VGN's choice).
    """
    z = np.asarray(approach, dtype=np.float64)
    if closing is None:
        along_x = np.abs(z[..., :1]) > 1.0 - 1e-4
        x = np.where(along_x, [0.0, 1.0, 0.0], [1.0, 0.0, 0.0])
        x = x - (x * z).sum(-1, keepdims=True) * z
        closing = np.cross(z, x / np.linalg.norm(x, axis=-1, keepdims=True))
    y = np.asarray(closing, dtype=np.float64)
    return np.stack([np.cross(y, z), y, z], axis=-1)


def yaw_turns(count: int) -> Matrix:
    """Turns (count, 3, 3) about z by k * pi / count: the yaws tried at one approach.

    They cover half a turn, because a parallel jaw is the same after the other half. Yaw k of a
    grasp with rotation R is R @ yaw_turns(count)[k].
    """
    angle = np.arange(count) * (np.pi / count)
    turns = np.zeros((count, 3, 3))
    turns[:, 0, 0] = turns[:, 1, 1] = np.cos(angle)
    turns[:, 1, 0] = np.sin(angle)
    turns[:, 0, 1] = -turns[:, 1, 0]
    turns[:, 2, 2] = 1.0
    return turns


def is_rotation(rotation: ArrayLike, tolerance: float = 1e-4) -> bool:
    """Whether all matrices (..., 3, 3) are orthonormal with determinant +1."""
    rotation = np.asarray(rotation, dtype=np.float64)
    if not np.isfinite(rotation).all():
        return False
    gram = rotation @ np.swapaxes(rotation, -1, -2)
    return bool(
        np.abs(gram - np.eye(3)).max(initial=0.0) < tolerance
        and np.abs(np.linalg.det(rotation) - 1.0).max(initial=0.0) < tolerance
    )


def check_rigid(T: ArrayLike, name: str, *, many: bool = False, tolerance: float = 1e-3) -> Matrix:
    """The one door for poses that users give: rigid transforms as float64, or a refusal.

    Args:
        T: (4, 4), or also (V, 4, 4) with `many`.
        name: of the argument, for the message.
        many: whether several may be meant.
        tolerance: of the rotation's entries and of the bottom row.

    Raises:
        ValueError: naming the argument, what is wrong with it, and the likely cause.
    """
    wanted = "(4, 4) or (V, 4, 4)" if many else "(4, 4)"
    try:
        poses = np.asarray(T, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is not an array of numbers; give {wanted} metres") from None
    if poses.shape[-2:] != (4, 4) or poses.ndim not in (2, 2 + many):
        hint = "; add the bottom row 0 0 0 1" if poses.shape[-2:] == (3, 4) else ""
        raise ValueError(f"{name} has shape {poses.shape}; give {wanted}{hint}")
    for pose in poses.reshape(-1, 4, 4):
        if fault := _not_rigid(pose, tolerance):
            raise ValueError(f"{name} is no rigid transform: {fault}")
    return poses


def _not_rigid(pose: Matrix, tolerance: float) -> str:
    """What keeps a (4, 4) matrix from being a rigid transform; empty if nothing does."""
    if not np.isfinite(pose).all():
        return "it holds NaN or infinity"
    if np.abs(pose[3] - (0, 0, 0, 1)).max() > tolerance:
        turned = np.abs(pose[:3, 3]).max() < tolerance and abs(pose[3, 3] - 1) < tolerance
        cause = "; it is transposed" if turned else ""
        return f"its bottom row is {pose[3].tolist()}, not 0 0 0 1{cause}"
    rotation = pose[:3, :3]
    if is_rotation(rotation, tolerance):
        return ""
    determinant = float(np.linalg.det(rotation))
    size = abs(determinant) ** (1 / 3)
    if size > 0 and is_rotation(rotation / np.copysign(size, determinant), tolerance):
        if abs(size - 1) > tolerance:
            return f"it is scaled by {size:.4g}; divide the rotation by that"
        return "it is mirrored (determinant -1); check the signs and the order of its axes"
    return (
        f"its rotation is not orthonormal with determinant +1 (determinant {determinant:.4g}); "
        "take it from a quaternion, or orthonormalise it"
    )
