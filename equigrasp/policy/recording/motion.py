"""What a robot tells of itself: poses, the opening of its gripper, velocities of its joints."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.geometry.transforms import Matrix, check_rigid, quaternion_to_transform


def tip_pose(values: ArrayLike, name: str = "the tip's pose") -> Matrix:
    """(4, 4) of a pose that is given so, or as xyz and quaternion xyzw.

    Args:
        values: 16 or 7 numbers.
        name: for messages.

    Raises:
        ValueError: it is neither.
    """
    try:
        given = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is not an array of numbers; give 7 or (4, 4)") from None
    if given.shape != (7,):
        return check_rigid(given.reshape(4, 4) if given.shape == (16,) else given, name)
    if not np.isfinite(given).all() or np.linalg.norm(given[3:]) < 0.9:
        raise ValueError(
            f"{name} is {given.round(4).tolist()}; give xyz in metres and a unit quaternion "
            "in the order x, y, z, w"
        )
    return quaternion_to_transform(given[3:], given[:3])


def checked_poses(poses: Any) -> Mapping[str, Any]:
    """Poses by the name of their camera; none for None.

    Raises:
        ValueError: they are not told by name.
    """
    if poses is not None and not isinstance(poses, Mapping):
        raise ValueError(f'camera_poses is {reprlib.repr(poses)}; give {{"wrist": (4, 4)}}')
    return poses or {}


def joint_speeds(values: Any) -> NDArray[np.float64] | None:
    """Velocities of the joints, rad/s; None where they are not known.

    Raises:
        ValueError: they are no list of finite numbers.
    """
    if values is None:
        return None
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        found = np.array(np.nan)
    if found.ndim != 1 or not len(found) or not np.isfinite(found).all():
        raise ValueError(
            f"joint_velocities is {reprlib.repr(values)}; give numbers, or leave it out"
        )
    return found


def opening(share: Any) -> float:
    """The share of a gripper's opening.

    Raises:
        ValueError: it is none.
    """
    try:
        value = np.asarray(share, np.float64).item()
    except (TypeError, ValueError):  # no number, or several
        value = np.nan
    if not -0.1 <= value <= 1.1:
        raise ValueError(
            f"gripper_open is {reprlib.repr(share)}; give 1 (open) to 0 (closed). An opening in "
            "metres is divided by the widest, as `--widest 0.08` does"
        )
    return value
