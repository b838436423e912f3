"""From where the tip is to where it shall be: a straight line, or over the top.

RLBench's semantics: the tip goes on a straight line, turning evenly; where the arm cannot, it lifts
off and swings over in joint space; where that is impossible too, the action fails.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from equigrasp.geometry.transforms import Matrix, make_transform
from sim.scene.simulator import TIME_STEP
from sim.stage.arm import HOME, Arm

LINE_STEP, TURN_STEP = 0.005, math.radians(2.0)
"""A straight path is solved every so many metres and radians."""
LARGEST_JUMP = 0.25
"""Joints (rad) that change more between neighbouring points have changed branch."""
TIP_SPEED, JOINT_SPEED = 0.4, 1.5
"""Of the tip (m/s) on a line, and of the fastest joint (rad/s) anywhere."""
VIA_HEIGHT = 0.15
"""The way over the top goes so much (m) above the higher end."""
STARTS = (HOME, *(np.add(HOME, (0, 0, a, 0, 0, 0, b)) for a in (-1.5, 1.5) for b in (-1.5, 1.5)))
"""Solutions over a target are looked for near home, then with elbow and hand turned aside."""
FRAME_STEPS = 48
"""Simulator steps between recorded frames (0.2 s) ..."""
FRAMES_PER_MOVE = 5
"""... or less, so that every move has so many: keypoints need frames between them."""
REST_SPEED, REST_STEPS = 0.03, 120
"""An arrived arm is given up to so many steps to get slower than this (rad/s)."""


class UnreachableError(RuntimeError):
    """No way of the arm leads to a pose."""


def move_tip(arm: Arm, target: Matrix, record: Callable[[], None] | None = None) -> None:
    """Bring the tip to a pose (4, 4).

    Args:
        arm: to be moved, and time with it.
        target: of the tip in the world.
        record: called at regular moments on the way, not on arrival.

    Raises:
        UnreachableError: neither way exists; the arm has not moved.
    """
    path = straight_path(arm, target)
    if path is None:
        path = path_over_the_top(arm, target)
    if path is None:
        where = ", ".join(f"{value:.3f}" for value in target[:3, 3])
        raise UnreachableError(f"the arm has no way to a pose at ({where}) m")
    follow(arm, path, record)


def straight_path(arm: Arm, target: Matrix) -> NDArray[np.float64] | None:
    """Joint positions (n, 7) along the line to a pose; None if the arm cannot follow it."""
    return _line(arm, arm.joints, arm.tip, target)


def path_over_the_top(arm: Arm, target: Matrix) -> NDArray[np.float64] | None:
    """Joint positions (n, 7) straight up, across in joint space, and straight down to a pose.

    None if there are none: every way over the pose that is known ends before it does.
    """
    top = max(arm.tip[2, 3], target[2, 3]) + VIA_HEIGHT
    over_tip, over_target = (_at_height(pose, top) for pose in (arm.tip, target))
    up = _line(arm, arm.joints, arm.tip, over_tip)
    if up is None:
        return None
    for start in STARTS:
        above = arm.solve(over_target, start)
        down = None if above is None else _line(arm, above, over_target, target)
        if down is not None:
            across = np.linspace(up[-1], above, _pieces(up[-1], above) + 1)[1:]
            return np.concatenate([up, across, down])
    return None


def _line(
    arm: Arm, joints: NDArray[np.float64], start: Matrix, end: Matrix
) -> NDArray[np.float64] | None:
    """Joint positions (n, 7) along a line of the tip, which is at its start with `joints`."""
    found = []
    for pose in poses_between(start, end):
        solved = arm.solve(pose, joints)
        if solved is None or np.abs(solved - joints).max() > LARGEST_JUMP:
            return None
        found.append(solved)
        joints = solved
    return np.array(found)


def poses_between(start: Matrix, end: Matrix) -> Iterator[Matrix]:
    """Poses on the way, without the first and with the last: position and angle change evenly."""
    turns = Rotation.from_matrix([start[:3, :3], end[:3, :3]])
    angle = (turns[0].inv() * turns[1]).magnitude()
    distance = np.linalg.norm(end[:3, 3] - start[:3, 3])
    count = max(1, math.ceil(distance / LINE_STEP), math.ceil(angle / TURN_STEP))
    shares = np.linspace(0, 1, count + 1)[1:]
    rotations = Slerp([0, 1], turns)(shares).as_matrix()
    for share, rotation in zip(shares, rotations, strict=True):
        yield make_transform(rotation, (1 - share) * start[:3, 3] + share * end[:3, 3])


def follow(arm: Arm, path: NDArray[np.float64], record: Callable[[], None] | None = None) -> None:
    """Drive the joints along a path (n, 7) at an even speed, and wait until they rest."""
    changes = np.abs(np.diff(np.vstack([arm.joints, path]), axis=0)).max(1)
    steps = np.maximum(
        np.ceil(changes / (JOINT_SPEED * TIME_STEP)), LINE_STEP / TIP_SPEED / TIME_STEP
    ).astype(int)
    every = max(1, min(FRAME_STEPS, int(steps.sum()) // (FRAMES_PER_MOVE + 1)))
    before, done = arm.joints, 0
    for joints, count in zip(path, steps, strict=True):
        for share in np.arange(1, count + 1) / count:
            arm.drive(before + share * (joints - before))
            arm.stage.step()
            done += 1
            if record is not None and done % every == 0 and done < steps.sum():
                record()
        before = joints
    for _ in range(REST_STEPS):
        arm.stage.step()
        if np.abs(arm.velocities).max() < REST_SPEED:
            return


def _at_height(pose: Matrix, height: float) -> Matrix:
    there = pose.copy()
    there[2, 3] = height
    return there


def _pieces(first: NDArray[np.float64], second: NDArray[np.float64]) -> int:
    return max(1, math.ceil(np.abs(second - first).max() / 0.05))
