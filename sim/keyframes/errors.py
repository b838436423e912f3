"""What goes wrong in demonstrations of how to recover: at random, or as a trained policy errs.

The arm goes wrong on purpose before it reaches a waypoint, and the script goes on from there. Such
keyframes are marked, so that nobody learns to go there; what is learned is the way back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from scipy.spatial.transform import Rotation

from equigrasp.geometry.transforms import Matrix
from equigrasp.policy.episodes.frames import Frame
from sim.keyframes.environment import TaskEnvironment
from sim.stage.task import Waypoint

if TYPE_CHECKING:
    from sim.keyframes.rollout import Policy

MISSES, LEFT = 0.35, 0.3
"""Share of waypoints that are missed first where errors are made, and of those that are not made
good, so that the script has to go on from there."""
ASIDE, ABOVE, TURNED = 0.025, 0.03, math.radians(10)
"""Largest errors at random: to the sides and upwards (m; downwards there may be a table), and about
the vertical (rad)."""
ASKEW, GRASP_ASIDE = 0.5, 0.006
"""Share of grasps that are askew where errors are made, by up to `TURNED`, and so far aside (m)."""
OWN = 0.5
"""Share of waypoints in whose place a policy acts first."""
NEAR, NEAR_TURN = 0.01, math.radians(5)
"""A policy that comes so near (m, rad) to a waypoint has reached it."""


class Action(NamedTuple):
    """One keyframe of a demonstration.

    Attributes:
        pose: (4, 4) of the tip in the world.
        open: state of the gripper from then on.
        missed: whether it goes wrong on purpose.
    """

    pose: Matrix
    open: bool
    missed: bool = False


class Errors(Protocol):
    """Where the script's waypoints are missed."""

    def actions(self, environment: TaskEnvironment, seen: Callable[[], Frame]) -> Iterator[Action]:
        """The waypoints of the task being played, and what is done before or in place of them.

        Args:
            environment: in which every action is played before the next one is asked for.
            seen: the latest frame with images.
        """


class NoErrors:
    """The task's own waypoints."""

    def actions(self, environment: TaskEnvironment, seen: Callable[[], Frame]) -> Iterator[Action]:
        """See `Errors`."""
        for waypoint in environment.task.waypoints():
            yield Action(waypoint.pose, waypoint.open)


class RandomErrors:
    """Some waypoints are missed by a few centimetres and degrees, some things grasped askew.

    Args:
        random: where that comes from.
    """

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random

    def actions(self, environment: TaskEnvironment, seen: Callable[[], Frame]) -> Iterator[Action]:
        """See `Errors`."""
        arm, random = environment.arm, self.random
        for waypoint in environment.task.waypoints():
            grasps = arm.commanded_open and not waypoint.open
            if grasps and random.random() < ASKEW:
                yield Action(missed_pose(waypoint.pose, random, GRASP_ASIDE, 0.0), False, True)
                if arm.held is None:  # closed on nothing, as above a button
                    yield Action(waypoint.pose, False)
                continue
            if random.random() < MISSES:
                unchanged = arm.commanded_open
                yield Action(missed_pose(waypoint.pose, random), unchanged, True)
                if waypoint.open == unchanged and random.random() < LEFT:
                    continue
            yield Action(waypoint.pose, waypoint.open)


class PolicyErrors:
    """A policy acts before the script does, and errs where it errs (as in DAgger, arXiv 1011.0686).

    Args:
        policy: is told the task, and asked for a keyframe after every observation.
        random: when it acts, and what its own random numbers follow from.
    """

    def __init__(self, policy: Policy, random: np.random.Generator) -> None:
        self.policy, self.random = policy, random

    def actions(self, environment: TaskEnvironment, seen: Callable[[], Frame]) -> Iterator[Action]:
        """See `Errors`."""
        arm, task, random = environment.arm, environment.task, self.random
        sentence = random.choice(type(task).sentences(task.variation))
        self.policy.begin(str(sentence), task, int(random.integers(2**31)))
        asked: list = [None, None]

        def choice() -> tuple[Matrix, bool] | None:  # once for every frame: policies remember them
            if seen() is not asked[0]:
                asked[:] = seen(), self.policy.act(seen())
            return asked[1]

        for waypoint in task.waypoints():
            chosen = choice()
            if chosen is not None and random.random() < OWN:
                unchanged = arm.commanded_open
                yield Action(*chosen, missed=True)
                choice()
                same = waypoint.open == unchanged == arm.commanded_open
                if agree(chosen, waypoint) or (same and random.random() < LEFT):
                    continue
            yield Action(waypoint.pose, waypoint.open)


def missed_pose(
    pose: Matrix, random: np.random.Generator, aside: float = ASIDE, above: float = ABOVE
) -> Matrix:
    """A pose (4, 4) of the tip beside and above (m, at most), and turned from, another one."""
    angle = random.uniform(-TURNED, TURNED)
    c, s = math.cos(angle), math.sin(angle)
    missed = pose.copy()
    missed[:3, :3] = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ pose[:3, :3]
    missed[:3, 3] += [*random.uniform(-aside, aside, 2), random.uniform(0.0, above)]
    return missed


def agree(chosen: tuple[Matrix, bool], waypoint: Waypoint) -> bool:
    """Whether a policy's keyframe, pose (4, 4) and gripper, is as good as a waypoint."""
    pose, opened = chosen
    off = np.linalg.norm(pose[:3, 3] - waypoint.pose[:3, 3])
    turned = Rotation.from_matrix(pose[:3, :3].T @ waypoint.pose[:3, :3]).magnitude()
    return bool(off <= NEAR and turned <= NEAR_TURN and opened == waypoint.open)
