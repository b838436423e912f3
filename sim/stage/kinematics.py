"""Joint positions that bring the tip of an arm to a pose, within the limits of its joints.

Bullet's solver is fast and knows no limits: a seven-joint arm that reaches a pose in many ways is
often given one that its joints do not have. Where that happens, the same pose is looked for again
as a bounded least-squares problem (scipy), from the same start.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from equigrasp.geometry.transforms import Matrix, inverse_transform, quaternion_to_transform

POSITION_TOLERANCE, ANGLE_TOLERANCE = 5e-4, 5e-3
"""How well (m, rad) a solution must reach its pose."""
REACH = 0.2
"""The bounded search weighs so many metres like one radian."""
ROUNDS = 4
"""A search that a joint's limit has stopped goes on along it: so often."""


@dataclass(frozen=True)
class Kinematics:
    """The tip of an arm of revolute joints that lead a chain without others between them.

    Args:
        p: Bullet client with the arm.
        body: of the arm.
        joints: numbers of its joints, from the base on.
        tip: number of the link whose frame is brought to poses.
        limits: (2, joints) lowest and highest joint positions, rad.
        others: movable joints of the body behind these (fingers).
    """

    p: Any
    body: int
    joints: tuple[int, ...]
    tip: int
    limits: NDArray[np.float64]
    others: int

    def solve(self, T_world_tip: Matrix, start: Sequence[float]) -> NDArray[np.float64] | None:
        """Joint positions (joints,), rad, that put the tip at a pose; None if none were found.

        The arm is moved while solving and put back.

        Args:
            T_world_tip: (4, 4) pose of the tip in the world.
            start: (joints,) joint positions, rad, near which a solution is looked for.
        """
        with self._put_back():
            found = self._by_bullet(T_world_tip, start)
            return self._within_limits(T_world_tip, start) if found is None else found

    def _by_bullet(self, T_world_tip: Matrix, start: Sequence[float]) -> NDArray | None:
        position = T_world_tip[:3, 3].tolist()
        quaternion = Rotation.from_matrix(T_world_tip[:3, :3]).as_quat().tolist()
        values = list(start)
        for _ in range(10):
            self._pretend(values)
            values = self.p.calculateInverseKinematics(
                self.body,
                self.tip,
                position,
                quaternion,
                maxNumIterations=100,
                residualThreshold=1e-8,
            )[: len(self.joints)]
            self._pretend(values)
            if self._reaches(T_world_tip):
                found = np.array(values)
                outside = (found < self.limits[0]) | (found > self.limits[1])
                return None if outside.any() else found
        return None

    def _within_limits(self, T_world_tip: Matrix, start: Sequence[float]) -> NDArray | None:
        back = Rotation.from_matrix(T_world_tip[:3, :3]).inv()

        def error(values: NDArray) -> NDArray:
            tip = self._tip_at(values)
            aside = (tip[:3, 3] - T_world_tip[:3, 3]) / REACH
            return np.concatenate([aside, (Rotation.from_matrix(tip[:3, :3]) * back).as_rotvec()])

        def slope(values: NDArray) -> NDArray:
            whole, nothing = [*values, *[0.0] * self.others], [0.0] * (len(values) + self.others)
            parts = self.p.calculateJacobian(
                self.body, self.tip, [0.0] * 3, whole, nothing, nothing
            )
            linear, angular = (np.array(part)[:, : len(values)] for part in parts)
            return np.vstack([linear / REACH, angular])

        found = np.clip(start, *self.limits)
        for _ in range(ROUNDS):
            found = least_squares(
                error, found, slope, self.limits, method="dogbox", xtol=1e-6, max_nfev=100
            ).x
            self._pretend(found)
            if self._reaches(T_world_tip):
                return found
        return None

    def _tip_at(self, values: Sequence[float]) -> Matrix:
        self._pretend(values)
        return self._tip()

    def _tip(self) -> Matrix:
        state = self.p.getLinkState(self.body, self.tip, computeForwardKinematics=True)
        return quaternion_to_transform(state[5], state[4])

    def _reaches(self, T_world_tip: Matrix) -> bool:
        error = inverse_transform(T_world_tip) @ self._tip()
        angle = Rotation.from_matrix(error[:3, :3]).magnitude()
        return bool(np.linalg.norm(error[:3, 3]) < POSITION_TOLERANCE and angle < ANGLE_TOLERANCE)

    def _pretend(self, values: Sequence[float]) -> None:
        for joint, value in zip(self.joints, values, strict=True):
            self.p.resetJointState(self.body, joint, value)

    @contextmanager
    def _put_back(self) -> Iterator[None]:
        before = [self.p.getJointState(self.body, joint)[:2] for joint in self.joints]
        try:
            yield
        finally:
            for joint, (value, speed) in zip(self.joints, before, strict=True):
                self.p.resetJointState(self.body, joint, value, speed)
