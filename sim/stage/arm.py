"""The Franka arm of pybullet_data with its hand: joint motion, grasp.

The tip frame lies between the finger tips, z along the approach, y the closing direction: the grasp
frame of the rest of the project. A grasped object is held by a constraint, as RLBench does, so that
a demonstration does not depend on friction.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pybullet
import pybullet_data
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from equigrasp.geometry.transforms import Matrix, inverse_transform, quaternion_to_transform
from equigrasp.hand import PANDA, Hand
from sim.stage.kinematics import Kinematics
from sim.stage.stage import TABLE_TOP, Stage

BASE = (-0.3, 0.0, TABLE_TOP)
HOME = (0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785)
"""The tip looks down in front of the base."""
JOINTS = tuple(range(7))
FINGER_LINKS, HAND_LINK, TIP_LINK = (9, 10), 8, 11
"""Numbers of links in the URDF."""
JOINT_FORCE, FINGER_FORCE, HOLD_FORCE = 240.0, 30.0, 2000.0
GRIP_STEPS = 60
"""Steps (of 1/240 s) in which the fingers close or open."""


class Arm:
    """The arm on a stage, at its home position with an open gripper.

    Args:
        stage: where it stands.
        hand: how far its fingers open. Their shape is the URDF's.

    Attributes:
        body: of the arm.
        limits: (2, 7) lowest and highest joint positions, rad.
        kinematics: from poses of the tip to joint positions.
        held: body in the gripper, or None.
        commanded_open: what the gripper was told last; a held object keeps it from closing fully.
    """

    def __init__(self, stage: Stage, hand: Hand = PANDA) -> None:
        self.stage, self.p, self.hand = stage, stage.p, hand
        path = f"{pybullet_data.getDataPath()}/franka_panda/panda.urdf"
        self.body = self.p.loadURDF(path, BASE, useFixedBase=True)
        info = [self.p.getJointInfo(self.body, joint) for joint in JOINTS]
        self.limits = np.array([[i[8] for i in info], [i[9] for i in info]])
        self.kinematics = Kinematics(
            self.p, self.body, JOINTS, TIP_LINK, self.limits, others=len(FINGER_LINKS)
        )
        self.held: int | None = None
        self._hold: int | None = None
        self.commanded_open = True
        for finger in FINGER_LINKS:
            self.p.changeDynamics(self.body, finger, lateralFriction=1.5)
        self.place(HOME)
        for finger in FINGER_LINKS:
            self.p.resetJointState(self.body, finger, self.hand.opening / 2)
        self._drive_fingers(self.hand.opening / 2)

    def place(self, joints: Sequence[float]) -> None:
        """Put the arm at joint positions (7,), rad, at once."""
        for joint, value in zip(JOINTS, joints, strict=True):
            self.p.resetJointState(self.body, joint, value)
        self.drive(joints)

    def drive(self, joints: Sequence[float]) -> None:
        """Let the motors go to and hold joint positions (7,), rad, from now on."""
        self.p.setJointMotorControlArray(
            self.body,
            JOINTS,
            pybullet.POSITION_CONTROL,
            targetPositions=list(joints),
            forces=[JOINT_FORCE] * 7,
            positionGains=[0.3] * 7,
        )

    @property
    def joints(self) -> NDArray[np.float64]:
        """(7,) joint positions, rad."""
        return np.array([s[0] for s in self.p.getJointStates(self.body, JOINTS)])

    @property
    def velocities(self) -> NDArray[np.float64]:
        """(7,) joint velocities, rad/s."""
        return np.array([s[1] for s in self.p.getJointStates(self.body, JOINTS)])

    @property
    def forces(self) -> NDArray[np.float64]:
        """(7,) torques of the motors, Nm."""
        return np.array([s[3] for s in self.p.getJointStates(self.body, JOINTS)])

    @property
    def fingers(self) -> NDArray[np.float64]:
        """(2,) how far each finger is from the middle, m."""
        return np.array([s[0] for s in self.p.getJointStates(self.body, FINGER_LINKS)])

    @property
    def tip(self) -> Matrix:
        """(4, 4) pose of the tip in the world."""
        return self.link_pose(TIP_LINK)

    def link_pose(self, link: int) -> Matrix:
        """(4, 4) pose of a link's frame in the world; links are numbered as in the URDF."""
        state = self.p.getLinkState(self.body, link, computeForwardKinematics=True)
        return quaternion_to_transform(state[5], state[4])

    def solve(self, T_world_tip: Matrix, start: Sequence[float]) -> NDArray[np.float64] | None:
        """Joint positions (7,), rad, that put the tip at a pose; see `sim.stage.kinematics`."""
        return self.kinematics.solve(T_world_tip, start)

    def close_gripper(self) -> None:
        """Close the fingers; what lies between both of them is held from then on."""
        if not self.commanded_open:
            return
        self.commanded_open = False
        self._drive_fingers(0.0)
        self.stage.step(GRIP_STEPS)
        touched = [self._touched(finger) for finger in FINGER_LINKS]
        both = {body for body, _ in touched[0]} & {body for body, _ in touched[1]}
        if both:
            self._attach(min(both), dict(touched[0]))

    def open_gripper(self) -> None:
        """Open the fingers and let go."""
        if self.commanded_open:
            return
        self.commanded_open = True
        if self._hold is not None:
            self.p.removeConstraint(self._hold)
            self.held = self._hold = None
        self._drive_fingers(self.hand.opening / 2)
        self.stage.step(GRIP_STEPS)

    def _attach(self, body: int, links: dict[int, int]) -> None:
        """Hold a body where it is; a link that can move by itself is held by a point."""
        link = links[body]
        # Bullet takes the frames of a constraint relative to centres of mass, not to link frames.
        T_hand_world = inverse_transform(self._mass_pose(self.body, HAND_LINK))
        if link < 0:
            T = T_hand_world @ self.stage.pose(body)
            kind, anchor = pybullet.JOINT_FIXED, [0.0, 0.0, 0.0]
        else:
            T, kind = T_hand_world @ self.tip, pybullet.JOINT_POINT2POINT
            inside = inverse_transform(self._mass_pose(body, link)) @ self.tip
            anchor = inside[:3, 3].tolist()
        self._hold = self.p.createConstraint(
            *(self.body, HAND_LINK, body, link, kind, [0, 0, 0]),
            *(T[:3, 3].tolist(), anchor),
            parentFrameOrientation=Rotation.from_matrix(T[:3, :3]).as_quat().tolist(),
        )
        self.p.changeConstraint(self._hold, maxForce=HOLD_FORCE)
        self.held = body

    def _mass_pose(self, body: int, link: int) -> Matrix:
        """(4, 4) pose of a link's centre of mass in the world."""
        state = self.p.getLinkState(body, link, computeForwardKinematics=True)
        return quaternion_to_transform(state[1], state[0])

    def _touched(self, finger: int) -> list[tuple[int, int]]:
        """Bodies with their links that a finger touches and that are not furniture."""
        contacts = self.p.getContactPoints(bodyA=self.body, linkIndexA=finger)
        return [
            (contact[2], contact[4])
            for contact in contacts
            if contact[2] != self.body and self.p.getDynamicsInfo(contact[2], contact[4])[0] > 0
        ]

    def _drive_fingers(self, opening: float) -> None:
        self.p.setJointMotorControlArray(
            self.body,
            FINGER_LINKS,
            pybullet.POSITION_CONTROL,
            targetPositions=[opening] * 2,
            forces=[FINGER_FORCE] * 2,
        )
