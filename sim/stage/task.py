"""What a keyframe task is: variations, sentences, a scene, a goal, and a scripted way to it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.random import RandomState

from equigrasp.geometry.transforms import Matrix, make_transform
from sim.stage.arm import Arm
from sim.stage.stage import TABLE_TOP, Stage

AREA = ((0.05, 0.35), (-0.28, 0.28))
"""Where on the table (x, y; m) the arm reaches everything from above."""


@dataclass(frozen=True)
class Waypoint:
    """A keyframe: where the tip goes, and what the gripper does once it is there.

    Attributes:
        pose: (4, 4) of the tip in the world.
        open: state of the gripper from then on.
    """

    pose: Matrix
    open: bool


class Task(ABC):
    """A task on a stage. Subclasses live in `sim/tasks`, one file each, and are found there.

    Class attributes:
        name: as in folders and on the command line.
        variations: how many there are; their numbers start at 0.
        has_size: whether `build` and `waypoints` heed `size`.

    Attributes:
        size: factor of the sizes of what is handled; 1 but where other sizes are asked for.
        stage, arm: where it is played.
        variation: the one being played.
        random: source of all draws of the scene.
    """

    name: ClassVar[str]
    variations: ClassVar[int]
    has_size: ClassVar[bool] = False
    size: float = 1.0

    def __init__(self, stage: Stage, arm: Arm, variation: int, random: RandomState) -> None:
        self.stage, self.arm, self.variation, self.random = stage, arm, variation, random

    @classmethod
    @abstractmethod
    def sentences(cls, variation: int) -> list[str]:
        """Ways to ask for a variation; the first is the one used in evaluations."""

    @abstractmethod
    def build(self) -> None:
        """Put the scene on the table; draws come from `self.random` alone."""

    @abstractmethod
    def succeeded(self) -> bool:
        """Whether the goal is reached now; asked after every action."""

    @abstractmethod
    def waypoints(self) -> Iterator[Waypoint]:
        """The scripted way; each is asked for when the one before has been reached."""

    def beginnings(self) -> list[Waypoint]:
        """Every waypoint that a right way may begin with: one for each of the things that it makes
        no difference to begin with, where there are such."""
        return [next(iter(self.waypoints()))]

    def state(self) -> np.ndarray:
        """Positions of all bodies in the world, (3 n,) in metres, one after the other."""
        bodies = range(self.stage.p.getNumBodies())
        return np.concatenate([self.stage.pose(body)[:3, 3] for body in bodies])

    def grasp_of(self, body: int, period: float) -> tuple[float, float, float]:
        """Where to grasp a body from above: x, y (m) in the world and yaw (rad).

        Args:
            body: its number.
            period: the body looks the same after a turn by so much (rad) about the vertical.
        """
        T = self.stage.pose(body)
        yaw = least_turn(yaw_of(T), period)
        return T[0, 3], T[1, 3], yaw

    def places(
        self, count: int, apart: float, area: Sequence[Sequence[float]] = AREA
    ) -> np.ndarray:
        """Random points (count, 2) on the table: x, y in the world, metres.

        Args:
            count: how many.
            apart: least distance (m) between any two.
            area: lowest and highest x, lowest and highest y, metres.

        Raises:
            RuntimeError: they do not fit; ask for fewer, or closer ones.
        """
        for _ in range(2000):
            points = np.column_stack([self.random.uniform(*side, count) for side in area])
            gaps = np.linalg.norm(points[:, None] - points[None], axis=-1)
            if count == 1 or gaps[~np.eye(count, dtype=bool)].min() >= apart:
                return points
        raise RuntimeError(f"{count} things {apart} m apart do not fit into {area}")


def down(x: float, y: float, z: float, yaw: float = 0.0) -> Matrix:
    """Pose (4, 4) in the world of a tip that looks straight down.

    Args:
        x, y: in the world, metres.
        z: above the table's top, metres.
        yaw: about the vertical, radians; at 0 the fingers close along y.
    """
    c, s = math.cos(yaw), math.sin(yaw)
    rotation = np.array([[c, s, 0.0], [s, -c, 0.0], [0.0, 0.0, -1.0]])
    return make_transform(rotation, (x, y, TABLE_TOP + z))


def yaw_of(pose: Matrix) -> float:
    """Yaw (rad) of the x axis of a pose (4, 4)."""
    return math.atan2(pose[1, 0], pose[0, 0])


def least_turn(yaw: float, period: float = math.pi) -> float:
    """The yaw (rad) within half a `period` of zero that looks alike: least work for the wrist."""
    return (yaw + period / 2) % period - period / 2
