"""The free-floating hand: a palm and two fingers, held in space by a constraint.

The drive (fixed constraint, gear between the fingers, position motors) has the published VGN/GIGA
constants. The grasp frame (TCP) lies between the finger tips, z approach, y closing.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
import pybullet

from equigrasp.hand import PANDA, Hand
from sim.grasping.body import hand_parts, write_hand
from sim.scene.world import World

DRIVE_FORCE = 300.0
GEAR_FORCE = 50.0
GEAR_ERP = 0.1
LEFT_JOINT, RIGHT_JOINT = 0, 1
PARKING_HEIGHT = 1.5


def quaternion_from_matrix(rotation: np.ndarray) -> list[float]:
    """Unit quaternion xyzw of one rotation matrix, ten times as fast as SciPy's for single ones."""
    (a, b, c), (d, e, f), (g, h, i) = rotation.tolist()
    # Four times the squares of x, y, z, w; the largest is the safe one to divide by (Shepperd).
    squares = (1 + a - e - i, 1 - a + e - i, 1 - a - e + i, 1 + a + e + i)
    largest = squares.index(max(squares))
    q = [
        (squares[0], b + d, c + g, h - f),
        (b + d, squares[1], f + h, c - g),
        (c + g, f + h, squares[2], d - b),
        (h - f, c - g, d - b, squares[3]),
    ][largest]
    norm = math.sqrt(sum(x * x for x in q))
    return [x / norm for x in q]


class Gripper:
    """A hand in a `World`. `load` before use; `unload` takes it out again.

    Attributes:
        body: its body id, None while it is not loaded.

    Raises:
        ValueError: if what describes the hand's shapes cannot be read.
    """

    def __init__(self, world: World, hand: Hand = PANDA) -> None:
        self.world = world
        self.hand = hand
        self.body: int | None = None
        self._drive: int | None = None
        palm = hand_parts(hand)[0]
        self._com = np.array(palm.com) + palm.origin - (0.0, 0.0, hand.tcp_from_base)
        """(3,) centre of mass of the palm in the grasp frame, metres."""
        self._urdf = write_hand(hand, Path(tempfile.mkdtemp(dir=world.scratch)))

    @property
    def parked(self) -> np.ndarray:
        """(4, 4) pose of the TCP out of the way, high over the middle of the workspace."""
        T = np.eye(4)
        T[:3, 3] = self.world.workspace.side / 2, self.world.workspace.side / 2, PARKING_HEIGHT
        return T

    def load(self, T_world_tcp: np.ndarray, width: float | None = None) -> None:
        """Load the hand with its TCP at a (4, 4) pose.

        Args:
            width: between the fingers, metres; None for the whole opening.

        Raises:
            ValueError: if it is loaded already or `width` is beyond the opening.
        """
        if self.body is not None:
            raise ValueError("the gripper is loaded already; call unload first")
        p = self.world.p
        self.body = p.loadURDF(str(self._urdf))
        position, quaternion = self._com_pose(T_world_tcp)
        p.resetBasePositionAndOrientation(self.body, position, quaternion)
        self._drive = p.createConstraint(
            self.body,
            -1,
            -1,
            -1,
            pybullet.JOINT_FIXED,
            [0, 0, 0],
            [0, 0, 0],
            position,
            childFrameOrientation=quaternion,
        )
        gear = p.createConstraint(
            self.body,
            LEFT_JOINT,
            self.body,
            RIGHT_JOINT,
            pybullet.JOINT_GEAR,
            [1, 0, 0],
            [0, 0, 0],
            [0, 0, 0],
        )
        p.changeConstraint(gear, gearRatio=-1, erp=GEAR_ERP, maxForce=GEAR_FORCE)
        self.drive_to(T_world_tcp)
        self.set_width(width)

    def unload(self) -> None:
        """Remove the hand and its constraints."""
        if self.body is not None:
            self.world.p.removeBody(self.body)
            self.body = self._drive = None

    def teleport(self, T_world_tcp: np.ndarray, width: float | None = None) -> None:
        """Put the hand at a pose, at rest, without moving through what lies between.

        Args:
            width: between the fingers, metres; None for the whole opening.
        """
        position, quaternion = self._com_pose(T_world_tcp)
        self.world.p.resetBasePositionAndOrientation(self.body, position, quaternion)
        self._constrain(position, quaternion)
        self.set_width(width)

    def place(self, T_world_tcp: np.ndarray) -> None:
        """Move the hand alone to a pose, for distance queries: the drive stays where it was."""
        self.world.p.resetBasePositionAndOrientation(self.body, *self._com_pose(T_world_tcp))

    def set_velocity(self, velocity: np.ndarray) -> None:
        """Give the hand a linear velocity (3,) in m/s, no rotation."""
        self.world.p.resetBaseVelocity(self.body, velocity.tolist(), (0.0, 0.0, 0.0))

    def drive_to(self, T_world_tcp: np.ndarray) -> None:
        """Set the pose that the drive pulls the hand towards in the coming steps."""
        self._constrain(*self._com_pose(T_world_tcp))

    def set_width(self, width: float | None = None) -> None:
        """Put the fingers `width` metres apart at once, and hold them there; None for all open.

        Raises:
            ValueError: if `width` is beyond the opening.
        """
        width = self.hand.opening if width is None else width
        if not 0.0 <= width <= self.hand.opening:
            raise ValueError(f"width {width} m is outside [0, {self.hand.opening}] m; clip it")
        for joint in (LEFT_JOINT, RIGHT_JOINT):
            self.world.p.resetJointState(self.body, joint, width / 2, 0.0)
        self.command_width(width)

    def command_width(self, width: float) -> None:
        """Let the finger motors move towards an opening of `width` metres."""
        for joint in (LEFT_JOINT, RIGHT_JOINT):
            self.world.p.setJointMotorControl2(
                self.body,
                joint,
                pybullet.POSITION_CONTROL,
                targetPosition=width / 2,
                force=self.hand.closing_force,
            )

    def close(self) -> None:
        """Command an opening of zero."""
        self.command_width(0.0)

    @property
    def width(self) -> float:
        """Present opening in metres."""
        states = self.world.p.getJointStates(self.body, (LEFT_JOINT, RIGHT_JOINT))
        return states[0][0] + states[1][0]

    def tcp_position(self) -> np.ndarray:
        """(3,) present position of the TCP."""
        position, quaternion = self.world.p.getBasePositionAndOrientation(self.body)
        rotation = np.reshape(self.world.p.getMatrixFromQuaternion(quaternion), (3, 3))
        return np.array(position) - rotation @ self._com

    def contacts(self) -> set[int]:
        """Ids of the bodies that touched the gripper in the last step.

        The list is Bullet's of the last step: right after a teleport it is stale, so step first.
        """
        return {c[2] for c in self.world.p.getContactPoints(self.body)} - {self.body}

    def contact_forces(self) -> dict[int, dict[int, float]]:
        """Body id -> {gripper link: summed normal force in N} over the last step's contacts."""
        forces: dict[int, dict[int, float]] = {}
        for contact in self.world.p.getContactPoints(self.body):
            if contact[2] != self.body:
                links = forces.setdefault(contact[2], {})
                links[contact[3]] = links.get(contact[3], 0.0) + contact[9]
        return forces

    def _com_pose(self, T_world_tcp: np.ndarray) -> tuple[list[float], list[float]]:
        # PyBullet's pose setters and constraints act on the centre of mass of the palm.
        position = T_world_tcp[:3, 3] + T_world_tcp[:3, :3] @ self._com
        return position.tolist(), quaternion_from_matrix(T_world_tcp[:3, :3])

    def _constrain(self, position: list[float], quaternion: list[float]) -> None:
        self.world.p.changeConstraint(
            self._drive,
            jointChildPivot=position,
            jointChildFrameOrientation=quaternion,
            maxForce=DRIVE_FORCE,
        )
