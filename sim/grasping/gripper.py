"""The free-floating Panda hand: a hand and two fingers, held in space by a constraint.

The geometry, masses and frictions are those of the Franka description shipped with PyBullet; the
drive (fixed constraint, gear between the fingers, position motors) has the published VGN/GIGA
constants. The grasp frame (TCP) lies between the finger tips, z approach, y closing.
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
import pybullet
import pybullet_data
import trimesh

from equigrasp.constants import MAX_WIDTH, TCP_FROM_HAND
from sim.scene.world import World

FINGER_JOINT_FROM_HAND = 0.0584
"""Distance along the approach from the hand frame to the finger joints."""
COM_FROM_HAND = 0.04
TCP_FROM_COM = TCP_FROM_HAND - COM_FROM_HAND
DRIVE_FORCE = 300.0
FINGER_EFFORT = 20.0
GEAR_FORCE = 50.0
GEAR_ERP = 0.1
LEFT_JOINT, RIGHT_JOINT = 0, 1
PARKED = np.array(
    [[1.0, 0.0, 0.0, 0.15], [0.0, 1.0, 0.0, 0.15], [0.0, 0.0, 1.0, 1.5], [0.0, 0.0, 0.0, 1.0]]
)
"""Pose of a gripper out of the way, 1.5 m up."""

_LINK = """
  <link name="{name}">{contact}
    <inertial>
      <origin xyz="{com}"/><mass value="{mass}"/>
      <inertia ixx="0.1" ixy="0" ixz="0" iyy="0.1" iyz="0" izz="0.1"/>
    </inertial>
    <collision>
      <origin rpy="0 0 {turn}"/><geometry><mesh filename="{mesh}"/></geometry>
    </collision>
  </link>"""
_CONTACT = """
    <contact>
      <friction_anchor/><stiffness value="30000"/><damping value="1000"/>
      <spinning_friction value="0.1"/><lateral_friction value="1.0"/>
    </contact>"""
_JOINT = """
  <joint name="{name}" type="prismatic">
    <parent link="hand"/><child link="{child}"/>
    <origin xyz="0 0 {offset}"/><axis xyz="0 {axis} 0"/>
    <limit effort="{effort}" lower="0" upper="{upper}" velocity="0.2"/>
  </joint>"""


def collision_meshes() -> tuple[Path, Path]:
    """Paths of the collision meshes of hand and finger in the `pybullet_data` package."""
    folder = Path(pybullet_data.getDataPath()) / "franka_panda" / "meshes" / "collision"
    return folder / "hand.obj", folder / "finger.obj"


def hand_urdf() -> str:
    """URDF text of the free hand. Bullet takes the convex hull of each mesh."""
    hand, finger = collision_meshes()
    joint = {"offset": FINGER_JOINT_FROM_HAND, "effort": FINGER_EFFORT, "upper": MAX_WIDTH / 2}
    parts = [
        _LINK.format(
            name="hand", contact="", com=f"0 0 {COM_FROM_HAND}", mass=0.81, turn=0, mesh=hand
        ),
        _LINK.format(
            name="left_finger", contact=_CONTACT, com="0 0.01 0.02", mass=0.1, turn=0, mesh=finger
        ),
        _LINK.format(
            name="right_finger",
            contact=_CONTACT,
            com="0 -0.01 0.02",
            mass=0.1,
            turn=np.pi,
            mesh=finger,
        ),
        _JOINT.format(name="left_joint", child="left_finger", axis=1, **joint),
        _JOINT.format(name="right_joint", child="right_finger", axis=-1, **joint),
    ]
    return '<?xml version="1.0"?>\n<robot name="free_panda_hand">' + "".join(parts) + "\n</robot>\n"


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


@lru_cache(maxsize=4)
def gripper_hulls(width: float = MAX_WIDTH) -> tuple[trimesh.Trimesh, ...]:
    """Convex collision hulls (hand, left finger, right finger) in the TCP frame.

    Args:
        width: opening of the fingers in metres.
    """
    hand, finger = (
        trimesh.load(path, force="mesh", process=True).convex_hull for path in collision_meshes()
    )
    hand.apply_translation((0.0, 0.0, -TCP_FROM_HAND))
    left, right = finger.copy(), finger.copy()
    right.apply_transform(trimesh.transformations.rotation_matrix(np.pi, (0, 0, 1)))
    z = FINGER_JOINT_FROM_HAND - TCP_FROM_HAND
    left.apply_translation((0.0, width / 2, z))
    right.apply_translation((0.0, -width / 2, z))
    return hand, left, right


class Gripper:
    """A Panda hand in a `World`. `load` before use; `unload` takes it out again."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.body: int | None = None
        self._drive: int | None = None
        self._urdf = world.scratch / "hand.urdf"
        self._urdf.write_text(hand_urdf())

    def load(self, T_world_tcp: np.ndarray, width: float = MAX_WIDTH) -> None:
        """Load the hand with its TCP at a (4, 4) pose and its fingers `width` apart.

        Raises:
            ValueError: if it is loaded already or `width` is outside [0, MAX_WIDTH].
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

    def park(self) -> None:
        """Teleport the hand 1.5 m up, fingers open."""
        self.teleport(PARKED)

    def teleport(self, T_world_tcp: np.ndarray, width: float = MAX_WIDTH) -> None:
        """Put the hand at a pose, at rest, without moving through what lies between."""
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

    def set_width(self, width: float) -> None:
        """Put the fingers `width` apart at once, and hold them there.

        Raises:
            ValueError: if `width` is outside [0, MAX_WIDTH].
        """
        if not 0.0 <= width <= MAX_WIDTH:
            raise ValueError(f"width {width} m is outside [0, {MAX_WIDTH}] m; clip it")
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
                force=FINGER_EFFORT,
            )

    def open(self) -> None:
        """Command the full opening."""
        self.command_width(MAX_WIDTH)

    def close(self) -> None:
        """Command an opening of zero."""
        self.command_width(0.0)

    @property
    def width(self) -> float:
        """Present opening in metres."""
        states = self.world.p.getJointStates(self.body, (LEFT_JOINT, RIGHT_JOINT))
        return states[0][0] + states[1][0]

    @property
    def finger_speed(self) -> float:
        """Present closing speed of the opening in m/s; negative while closing."""
        states = self.world.p.getJointStates(self.body, (LEFT_JOINT, RIGHT_JOINT))
        return states[0][1] + states[1][1]

    def tcp_position(self) -> np.ndarray:
        """(3,) present position of the TCP."""
        position, quaternion = self.world.p.getBasePositionAndOrientation(self.body)
        matrix = self.world.p.getMatrixFromQuaternion(quaternion)
        approach = np.array([matrix[2], matrix[5], matrix[8]])
        return np.array(position) + TCP_FROM_COM * approach

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
        # PyBullet's pose setters and constraints act on the centre of mass of the hand.
        position = T_world_tcp[:3, 3] - TCP_FROM_COM * T_world_tcp[:3, 2]
        return position.tolist(), quaternion_from_matrix(T_world_tcp[:3, :3])

    def _constrain(self, position: list[float], quaternion: list[float]) -> None:
        self.world.p.changeConstraint(
            self._drive,
            jointChildPivot=position,
            jointChildFrameOrientation=quaternion,
            maxForce=DRIVE_FORCE,
        )
