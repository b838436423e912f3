"""The free-floating hand in PyBullet: a palm and two fingers, held in space by a constraint.

The drive (fixed constraint, gear between the fingers, position motors) has the published VGN/GIGA
constants. What its methods promise stands in `sim.grasping.free_hand`.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pybullet

from equigrasp.hand import PANDA, Hand
from sim.grasping.body import hand_parts, write_hand
from sim.grasping.free_hand import DRIVE_FORCE, check_width, parked_pose
from sim.scene.world import World

GEAR_FORCE = 50.0
GEAR_ERP = 0.1
LEFT_JOINT, RIGHT_JOINT = 0, 1
PALM = -1
RELATIVE_BREAKING = 0.02
"""Bullet's contact breaking threshold, relative to the size of the smaller shape."""


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
        return parked_pose(self.world)

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
        width = check_width(width, self.hand)
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
        left, right = self.fingers
        return left + right

    @property
    def fingers(self) -> tuple[float, float]:
        """How far left and right finger are from the closed position, metres."""
        states = self.world.p.getJointStates(self.body, (LEFT_JOINT, RIGHT_JOINT))
        return states[0][0], states[1][0]

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

    def stands_in(self) -> set[int]:
        """Nothing: Bullet pushes bodies apart slowly, and the first look at contacts finds them."""
        return set()

    def contact_forces(self) -> dict[int, dict[int, float]]:
        """Body id -> {gripper link: summed normal force in N} over the last step's contacts."""
        forces: dict[int, dict[int, float]] = {}
        for contact in self.world.p.getContactPoints(self.body):
            if contact[2] != self.body:
                links = forces.setdefault(contact[2], {})
                links[contact[3]] = links.get(contact[3], 0.0) + contact[9]
        return forces

    def place_of(self, body: int) -> np.ndarray:
        """(3,) centre of mass of a body in the frame of the palm, metres."""
        p = self.world.p
        T_palm_world = p.invertTransform(*p.getBasePositionAndOrientation(self.body))
        found = p.multiplyTransforms(*T_palm_world, *p.getBasePositionAndOrientation(body))
        return np.array(found[0])

    def clearances(self, body: int, reach: float) -> Iterator[tuple[int, float]]:
        """(number of a part, distance in metres) of closest points of the hand and a body."""
        for point in self.world.p.getClosestPoints(self.body, body, reach):
            yield point[3] - PALM, point[8]

    def contact_distances(self) -> dict[int, np.ndarray]:
        """Body id -> (3,) distance in metres at which Bullet reports a contact with each part.

        Bullet keeps a contact up to 2 % of the reach of the smaller of two shapes, the reach being
        measured from the centre of mass to the far corner of the bounding box. Bodies are turned to
        measure them and stay so: restore the world afterwards. The hand must stand unturned.
        """
        world = self.world
        parts = np.array([self._reach(self.body, i) for i in (PALM, LEFT_JOINT, RIGHT_JOINT)])
        bodies = [*world.bodies] + ([] if world.table is None else [world.table])
        return {b: RELATIVE_BREAKING * np.minimum(parts, self._reach(b, PALM)) for b in bodies}

    def _reach(self, body: int, link: int) -> float:
        """Distance from the link's centre of mass to the far corner of its box, unturned."""
        p = self.world.p
        if link < 0:
            centre = np.array(p.getBasePositionAndOrientation(body)[0])
            p.resetBasePositionAndOrientation(body, centre.tolist(), (0.0, 0.0, 0.0, 1.0))
        else:
            centre = np.array(p.getLinkState(body, link)[0])
        lower, upper = map(np.array, p.getAABB(body, link))
        return float(
            np.linalg.norm((lower + upper) / 2 - centre) + np.linalg.norm(upper - lower) / 2
        )

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
