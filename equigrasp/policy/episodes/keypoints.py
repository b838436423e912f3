"""Keypoint discovery: the frames of a demonstration that its actions are taken from.

As published with C2F-ARM and PerAct, with the look back clamped at the first frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from equigrasp.policy.episodes.frames import FrameState

STOPPED = 0.1
"""The arm stands still where no joint is faster (rad/s)."""
REFRACTORY = 4
"""Frames after a stop in which no other stop counts."""


def discover_keypoints(states: Sequence[FrameState]) -> list[int]:
    """Frames that end an action: the gripper changed, the arm stopped, or the demonstration ended.

    Args:
        states: of all frames of a demonstration, in order. An arm whose velocities are None never
            stands still.

    Returns:
        their numbers. Frame 0 is not among them: it is where the first action starts.
    """
    found: list[int] = []
    pause = 0
    for index in range(len(states)):
        stopped = pause <= 0 and _stands_still(states, index)
        pause = REFRACTORY if stopped else pause - 1
        if index and (stopped or _ends_action(states, index)):
            found.append(index)
    if len(found) > 1 and found[-2] == found[-1] - 1:
        del found[-2]
    return found


def keyframe_actions(states: Sequence[FrameState], frames: Sequence[int]) -> NDArray:
    """Actions (K, 8): pose of the tip (xyz in metres, quaternion xyzw), gripper (1 is open).

    Args:
        states: of all frames of a demonstration.
        frames: numbers of K of them.
    """
    return np.array(
        [[*states[i].gripper_pose, float(states[i].gripper_open)] for i in frames]
    ).reshape(-1, 8)


def _ends_action(states: Sequence[FrameState], index: int) -> bool:
    changed = states[index].gripper_open != states[index - 1].gripper_open
    return changed or index == len(states) - 1


def _stands_still(states: Sequence[FrameState], index: int) -> bool:
    if index >= len(states) - 2 or states[index].joint_velocities is None:
        return False
    around = [states[max(i, 0)].gripper_open for i in range(index - 2, index + 2)]
    slow = np.abs(states[index].joint_velocities).max() <= STOPPED
    return bool(slow) and len(set(around)) == 1
