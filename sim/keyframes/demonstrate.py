"""Scripted demonstrations: play a task's waypoints and keep the frames.

The frames are laid out such that keypoint discovery finds the waypoints again: an arm that arrives
is seen at rest for two frames, one that grips is seen only after it has gripped, and moves in
between have enough frames. Most of the time goes into their images; a demonstration may keep the
frames of its keyframes alone, which is all that keyframe policies read.

A demonstration may show how to recover from errors, see `sim.keyframes.errors`.
"""

from __future__ import annotations

from typing import NamedTuple

from equigrasp.policy.episodes.frames import DISTURBED, Frame
from equigrasp.policy.episodes.keypoints import discover_keypoints
from sim.keyframes.environment import TaskEnvironment
from sim.keyframes.errors import Errors, NoErrors
from sim.stage.task import Task

HOLD_STEPS = 12
"""Simulator steps between the two frames at rest."""
NO_ERRORS = NoErrors()


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
    errors: Errors = NO_ERRORS,
    between: bool = True,
) -> Demonstration:
    """Play the script of a task.

    Args:
        environment: in which it is played.
        task, variation, seed: see `TaskEnvironment.reset`.
        errors: for a demonstration of how to recover.
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

    def seen() -> Frame:
        return frames[arrivals[-1] if arrivals else 0]

    for pose, opened, missed in errors.actions(environment, seen):
        if resting:
            environment.stage.step(HOLD_STEPS)
            pass_by()
        before = environment.arm.commanded_open
        result = environment.act(pose, opened, pass_by)
        if missed and result.failure:  # the arm has not moved
            resting = False
            continue
        if result.failure or not (result.arrived or missed):
            raise DemonstrationError(
                f"{said}: waypoint {len(arrivals)} is {result.failure or 'blocked'}"
            )
        if missed:
            result.frame.state.misc[DISTURBED] = True
        arrivals.append(len(frames))
        frames.append(result.frame)
        resting = environment.arm.commanded_open == before
    if not environment.succeeded():
        raise DemonstrationError(f"{said}: the script ended short of the goal")
    _check_keyframes(said, frames, arrivals)
    if not between:
        frames = [frames[index] for index in (0, *arrivals)]
        arrivals = list(range(1, len(frames)))
    sentences = type(environment.task).sentences(variation)
    return Demonstration(frames, arrivals, environment.random_seed, variation, sentences)


def _check_keyframes(said: str, frames: list[Frame], arrivals: list[int]) -> None:
    found = discover_keypoints([frame.state for frame in frames])
    if found != arrivals:
        raise DemonstrationError(f"{said}: keypoints {found}, waypoints {arrivals}")
