"""Keypoint discovery: the frames of a demonstration that its actions are taken from.

As published with C2F-ARM and PerAct, with the look back clamped at the first frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from equigrasp.policy.episodes.observation import Observation

STOPPED = 0.1
"""The arm stands still where no joint is faster (rad/s)."""
REFRACTORY = 4
"""Frames after a stop in which no other stop counts."""


def discover_keypoints(observations: Sequence[Observation]) -> list[int]:
    """Frames that end an action: the gripper changed, the arm stopped, or the demonstration ended.

    Frame 0 is not among them: it is where the first action starts.
    """
    found: list[int] = []
    pause = 0
    for index in range(len(observations)):
        stopped = pause <= 0 and _stands_still(observations, index)
        pause = REFRACTORY if stopped else pause - 1
        if index and (stopped or _ends_action(observations, index)):
            found.append(index)
    if len(found) > 1 and found[-2] == found[-1] - 1:
        del found[-2]
    return found


def keyframe_actions(observations: Sequence[Observation], frames: Sequence[int]) -> NDArray:
    """Actions (K, 8): pose of the tip (xyz, quaternion xyzw) and whether the gripper is open."""
    return np.array(
        [[*observations[i].gripper_pose, float(observations[i].gripper_open)] for i in frames]
    ).reshape(-1, 8)


def _ends_action(observations: Sequence[Observation], index: int) -> bool:
    changed = observations[index].gripper_open != observations[index - 1].gripper_open
    return changed or index == len(observations) - 1


def _stands_still(observations: Sequence[Observation], index: int) -> bool:
    if index >= len(observations) - 2:
        return False
    around = [observations[max(i, 0)].gripper_open for i in range(index - 2, index + 2)]
    slow = np.abs(observations[index].joint_velocities).max() <= STOPPED
    return bool(slow) and len(set(around)) == 1
