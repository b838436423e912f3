"""Scripted demonstrations: play a task's waypoints and keep the frames.

The frames are laid out such that keypoint discovery finds the waypoints again: an arm that arrives
is seen at rest for two frames, one that grips is seen only after it has gripped, and moves in
between have enough frames.
"""

from __future__ import annotations

from typing import NamedTuple

from equigrasp.policy.episodes.frames import Frame
from equigrasp.policy.episodes.keypoints import discover_keypoints
from sim.keyframes.environment import TaskEnvironment
from sim.stage.task import Task

HOLD_STEPS = 12
"""Simulator steps between the two frames at rest."""


class DemonstrationError(RuntimeError):
    """The script did not reach the goal, or its keyframes cannot be found again."""


class Demonstration(NamedTuple):
    """What a scripted run left behind.

    Attributes:
        frames: of the whole episode.
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
    environment: TaskEnvironment, task: str | type[Task], variation: int, seed: int | tuple
) -> Demonstration:
    """Play the script of a task.

    Args:
        environment: in which it is played.
        task, variation, seed: see `TaskEnvironment.reset`.

    Raises:
        DemonstrationError: a waypoint cannot be reached, the goal is missed, or keypoint discovery
            would find other frames than the waypoints.
    """
    frames = [environment.reset(task, variation, seed)]
    said = f"{environment.task.name} {variation}"
    arrivals: list[int] = []
    resting = False
    for waypoint in environment.task.waypoints():
        if resting:
            environment.stage.step(HOLD_STEPS)
            frames.append(environment.observe())
        changes = waypoint.open != environment.arm.commanded_open
        result = environment.act(waypoint.pose, waypoint.open, frames)
        if result.failure or not result.arrived:
            raise DemonstrationError(
                f"{said}: waypoint {len(arrivals)} is {result.failure or 'blocked'}"
            )
        arrivals.append(len(frames))
        frames.append(result.frame)
        resting = not changes
    if not environment.succeeded():
        raise DemonstrationError(f"{said}: the script ended short of the goal")
    found = discover_keypoints([frame.state for frame in frames])
    if found != arrivals:
        raise DemonstrationError(f"{said}: keypoints {found}, waypoints {arrivals}")
    sentences = type(environment.task).sentences(variation)
    return Demonstration(frames, arrivals, environment.random_seed, variation, sentences)
