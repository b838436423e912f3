"""Grasps as goals of motion planners: MoveIt's messages, cuRobo's goal sets; both ways.

| name | what it is | poses |
|---|---|---|
| `moveit` | `moveit_msgs/Grasp` as nested dictionaries | `base` |
| `curobo` | goal set: positions (N, 3) and quaternions (N, 4), wxyz, for a `Pose` | `base` |

`rosidl_runtime_py.set_message_fields` makes messages of such dictionaries. Both planners move the
link that carries the hand: `base` is its frame, `panda_hand` for a Panda.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.grasp import Grasp
from equigrasp.grasp_arrays import (
    ExchangeError,
    entry,
    hand_of,
    listed,
    numbers,
    pose_of,
    poses,
    quaternions,
)
from equigrasp.hand import PANDA, Hand

Vector = tuple[float, float, float]
PANDA_JOINTS = ("panda_finger_joint1", "panda_finger_joint2")
APPROACH, RETREAT = 0.10, 0.15
"""How far (m) the hand comes along its approach, and lifts what it holds, if it can."""
LEAST = 0.5
"""Share of these distances that has to be possible."""


def to_moveit(
    grasps: Sequence[Grasp],
    frame: str,
    hand: Hand | None = None,
    *,
    joints: Sequence[str] = PANDA_JOINTS,
    up: Vector = (0.0, 0.0, 1.0),
    approach: float = APPROACH,
    retreat: float = RETREAT,
) -> list[dict[str, Any]]:
    """`moveit_msgs/Grasp` of grasps, best first, as nested dictionaries.

    The hand opens as far as it can, comes along its approach, closes and goes up.

    Args:
        grasps: in `frame`.
        frame: name of that frame in the robot's tree.
        hand: whose base is the parent link of the end effector; see `hand_of`.
        joints: finger joints, each opening by half of the width.
        up: direction of the retreat in `frame`.
        approach, retreat: wished distances, metres; half of each has to be possible.
    """
    hand = hand_of(grasps, hand)
    T = poses(grasps, "base", hand)
    found = []
    for number, (pose, q, grasp) in enumerate(zip(T, quaternions(T), grasps, strict=True)):
        posture = {"header": {"frame_id": frame}, "joint_names": list(joints)}
        found.append(
            {
                "id": f"grasp_{number}",
                "pre_grasp_posture": {**posture, "points": _points(joints, hand.opening / 2)},
                "grasp_posture": {**posture, "points": _points(joints, grasp.width / 2)},
                "grasp_pose": {
                    "header": {"frame_id": frame},
                    "pose": {
                        "position": _named("xyz", pose[:3, 3]),
                        "orientation": _named("xyzw", q),
                    },
                },
                "grasp_quality": 0.0 if np.isnan(grasp.score) else float(grasp.score),
                "pre_grasp_approach": _way(frame, grasp.approach, approach),
                "post_grasp_retreat": _way(frame, up, retreat),
            }
        )
    return found


def from_moveit(messages: Sequence[Mapping[str, Any]], hand: Hand = PANDA) -> list[Grasp]:
    """Inverse of `to_moveit`: the opening is twice the first joint's position in `grasp_posture`.

    Raises:
        ExchangeError: entries that are missing or no numbers.
    """
    T, told = [], []
    for message in messages:
        pose = entry(entry(message, "grasp_pose"), "pose")
        places = ((entry(pose, "position"), "xyz"), (entry(pose, "orientation"), "xyzw"))
        T.append(pose_of(*([entry(part, axis) for axis in axes] for part, axes in places)))
        points = entry(entry(message, "grasp_posture"), "points")
        if not points:
            raise ExchangeError("grasp_posture has no points; the opening is read there")
        position = numbers([entry(points[0], "positions")[0]], 1, "the joint's position")
        told.append((2 * float(position[0]), message.get("grasp_quality")))
    return listed(T, told, "base", hand)


def to_curobo(grasps: Sequence[Grasp], hand: Hand | None = None) -> dict[str, NDArray[np.float64]]:
    """A goal set: `position` (N, 3) in metres and `quaternion` (N, 4), wxyz, of the hand's base.

    With cuRobo: `Pose(*(torch.as_tensor(goals[k])[None] for k in ("position", "quaternion")))`
    for `MotionGen.plan_goalset`.
    """
    T = poses(grasps, "base", hand)
    return {"position": T[:, :3, 3], "quaternion": quaternions(T)[:, [3, 0, 1, 2]]}


def from_curobo(
    goals: Mapping[str, ArrayLike], widths: ArrayLike, hand: Hand = PANDA
) -> list[Grasp]:
    """Inverse of `to_curobo`; goals hold no openings, so these come beside them.

    Raises:
        ExchangeError: arrays that do not belong together.
    """
    position, wxyz = (np.asarray(entry(goals, name)) for name in ("position", "quaternion"))
    if not len(position) == len(wxyz) == len(np.atleast_1d(widths)):
        raise ExchangeError(
            f"there are {len(position)} positions, {len(wxyz)} quaternions and "
            f"{len(np.atleast_1d(widths))} widths"
        )
    T = [pose_of(p, np.roll(q, -1)) for p, q in zip(position, wxyz, strict=True)]
    return listed(T, [(width, None) for width in np.atleast_1d(widths)], "base", hand)


def _named(names: str, values: ArrayLike) -> dict[str, float]:
    return dict(zip(names, np.asarray(values, dtype=float).tolist(), strict=True))


def _points(joints: Sequence[str], position: float) -> list[dict[str, Any]]:
    return [{"positions": [float(position)] * len(joints)}]


def _way(frame: str, direction: ArrayLike, distance: float) -> dict[str, Any]:
    """`moveit_msgs/GripperTranslation`."""
    return {
        "direction": {"header": {"frame_id": frame}, "vector": _named("xyz", direction)},
        "desired_distance": distance,
        "min_distance": LEAST * distance,
    }
