"""Scripted demonstrations: play a task's waypoints and keep the frames.

The frames are laid out such that keypoint discovery finds the waypoints again: an arm that arrives
is seen at rest for two frames, one that grips is seen only after it has gripped, and moves in
between have enough frames. Most of the time goes into their images; a demonstration may keep the
frames of its keyframes alone, which is all that keyframe policies read.

A demonstration may show how to recover: the arm misses some waypoints on purpose before it reaches
them, and grasps some things askew. Such keyframes are marked, so that nobody learns to go there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from equigrasp.geometry.transforms import Matrix
from equigrasp.policy.episodes.frames import DISTURBED, Frame
from equigrasp.policy.episodes.keypoints import discover_keypoints
from sim.keyframes.environment import TaskEnvironment
from sim.stage.task import Task

HOLD_STEPS = 12
"""Simulator steps between the two frames at rest."""
MISSES, LEFT = 0.35, 0.3
"""Share of waypoints that are missed first where errors are made, and of those that are not made
good, so that the script has to go on from there."""
ASIDE, ABOVE, TURNED = 0.025, 0.03, math.radians(10)
"""Largest errors: to the sides and upwards (m; downwards there may be a table), and about the
vertical (rad)."""
ASKEW, GRASP_ASIDE = 0.5, 0.006
"""Share of grasps that are askew where errors are made, by up to `TURNED`, and so far aside (m)."""


class DemonstrationError(RuntimeError):
    """The script did not reach the goal, or its keyframes cannot be found again."""


class Demonstration(NamedTuple):
    """What a scripted run left behind.

    Attributes:
        frames: of the whole episode, or the first one and those of `keypoints`.
        keypoints: numbers of the frames at which a waypoint was reached.
        random_seed: state of the generator that the scene came from.
        variation, sentences: of the task.
    """

    frames: list[Frame]
    keypoints: list[int]
    random_seed: tuple
    variation: int
    sentences: list[str]


def demonstrate(
    environment: TaskEnvironment,
    task: str | type[Task],
    variation: int,
    seed: int | tuple,
    *,
    errors: np.random.Generator | None = None,
    between: bool = True,
) -> Demonstration:
    """Play the script of a task.

    Args:
        environment: in which it is played.
        task, variation, seed: see `TaskEnvironment.reset`.
        errors: source of errors, for a demonstration of how to recover; None makes none.
        between: whether frames between waypoints are photographed and kept. The arm moves in the
            same way without.

    Raises:
        DemonstrationError: a waypoint cannot be reached, the goal is missed, or keypoint discovery
            would find other frames than the waypoints.
    """
    frames = [environment.reset(task, variation, seed)]
    said = f"{environment.task.name} {variation}"
    arrivals: list[int] = []
    resting = False

    def pass_by() -> None:
        frames.append(environment.observe(images=between))

    for pose, opened, missed in _actions(environment, errors):
        if resting:
            environment.stage.step(HOLD_STEPS)
            pass_by()
        changes = opened != environment.arm.commanded_open
        result = environment.act(pose, opened, pass_by)
        if result.failure or not result.arrived:
            raise DemonstrationError(
                f"{said}: waypoint {len(arrivals)} is {result.failure or 'blocked'}"
            )
        if missed:
            result.frame.state.misc[DISTURBED] = True
        arrivals.append(len(frames))
        frames.append(result.frame)
        resting = not changes
    if not environment.succeeded():
        raise DemonstrationError(f"{said}: the script ended short of the goal")
    found = discover_keypoints([frame.state for frame in frames])
    if found != arrivals:
        raise DemonstrationError(f"{said}: keypoints {found}, waypoints {arrivals}")
    if not between:
        frames = [frames[index] for index in (0, *arrivals)]
        arrivals = list(range(1, len(frames)))
    sentences = type(environment.task).sentences(variation)
    return Demonstration(frames, arrivals, environment.random_seed, variation, sentences)


def missed_pose(
    pose: Matrix, errors: np.random.Generator, aside: float = ASIDE, above: float = ABOVE
) -> Matrix:
    """A pose (4, 4) of the tip beside and above (m, at most), and turned from, another one."""
    angle = errors.uniform(-TURNED, TURNED)
    c, s = math.cos(angle), math.sin(angle)
    missed = pose.copy()
    missed[:3, :3] = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ pose[:3, :3]
    missed[:3, 3] += [*errors.uniform(-aside, aside, 2), errors.uniform(0.0, above)]
    return missed


def _actions(
    environment: TaskEnvironment, errors: np.random.Generator | None
) -> Iterator[tuple[Matrix, bool, bool]]:
    """Poses, states of the gripper, and whether the pose is one that was missed on purpose."""
    for waypoint in environment.task.waypoints():
        grasps = environment.arm.commanded_open and not waypoint.open
        if errors is not None and grasps and errors.random() < ASKEW:
            yield missed_pose(waypoint.pose, errors, GRASP_ASIDE, 0.0), False, True
            if environment.arm.held is None:  # closed on nothing, as above a button
                yield waypoint.pose, False, False
            continue
        if errors is not None and errors.random() < MISSES:
            unchanged = environment.arm.commanded_open
            yield missed_pose(waypoint.pose, errors), unchanged, True
            if waypoint.open == unchanged and errors.random() < LEFT:
                continue
        yield waypoint.pose, waypoint.open, False
