"""The free-floating hand in MuJoCo: a palm that is welded softly to what leads it, and two fingers.

What leads it goes to where the hand is told to go, no faster than trials move, so that what is held
is not torn away; the weld leaves as much of the error per step as the published drive does. The
fingers push with the hand's force and move as one. What the methods promise stands in
`sim.grasping.free_hand`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np

from equigrasp.hand import PANDA, Hand
from sim.grasping.body import LINK_NAMES, gripper_hulls, hand_parts
from sim.grasping.free_hand import check_width, parked_pose
from sim.scene.mujoco_bodies import (
    CONTACT,
    HAND,
    Piece,
    add_meshes,
    set_inertia,
    unit_inertia,
    wxyz,
)
from sim.scene.mujoco_engine import SUBSTEP
from sim.scene.mujoco_world import MujocoWorld
from sim.scene.simulator import TIME_STEP

PACE = 0.002 / (4 * TIME_STEP)
"""At which trials go on, m/s: their increments, evenly."""
LEAD_SPEED = 1.5 * PACE
"""Greatest speed of what leads the hand, m/s: it catches up after its start."""
LEAD_ACCELERATION = 2.0
"""Of what leads the hand, m/s2: a jerk tears heavy things out of hands that can hold them."""
LEAD_TURN = np.deg2rad(2.0) / (4 * TIME_STEP)
"""Speed of its turns, rad/s."""
FOLLOWING = 0.735
"""Share of its error that the weld leaves per step: behind an even leader the hand is then where
Bullet's drive has it behind one that jumps from increment to increment."""
YIELDING = 0.9
"""Impedance of the weld. What is touched has 0.99 and more, so that the hand yields to a table."""
FINGER = 8e3
"""Stiffness of the finger motors, N/m: what is more than a few millimetres thick is held with the
whole closing force of the hand."""
FINGER_GAIN = 0.9
"""Share of a finger's way that one step leaves: that of Bullet's motors."""
TOUCH = 0.003
"""Distance (m) at which a touch is reported, without a force yet: light things bounce off before
anybody looks. It is what Bullet's margins and thresholds come to, of a hand and of a thing."""
SPINNING_FRICTION = 0.1
"""Of the fingers, as published; metres."""
GOAL, LEADER, PALM = "goal", "leader", LINK_NAMES[0]
FINGERS = LINK_NAMES[1:]


class FreeHandPiece(Piece):
    """The hand as a piece of a model. Every body's frame is the grasp frame of the closed hand."""

    def __init__(self, hand: Hand) -> None:
        self.hand = hand
        self.hulls = gripper_hulls(hand, 0.0)
        self.slot = 0
        """Where the model keeps the speed of the leader, among the data of users."""

    def add_to(self, spec: mujoco.MjSpec, name: str) -> None:
        """Add palm, fingers and what leads them."""
        self.slot, spec.nuserdata = spec.nuserdata, spec.nuserdata + 1
        for led in (GOAL, LEADER):
            spec.worldbody.add_body(name=f"{name}/{led}", mocap=True)
        palm = spec.worldbody.add_body(name=f"{name}/{PALM}", gravcomp=1.0)
        palm.add_freejoint(name=f"{name}/{PALM}")
        self._fill(spec, palm, f"{name}/{PALM}", 0)
        self._weld(spec, f"{name}/{LEADER}", f"{name}/{PALM}")
        for part, (finger, way) in enumerate(zip(FINGERS, (1.0, -1.0), strict=True), start=1):
            body = palm.add_body(name=f"{name}/{finger}", gravcomp=1.0)
            body.add_joint(
                name=f"{name}/{finger}",
                type=mujoco.mjtJoint.mjJNT_SLIDE,
                axis=(0.0, way, 0.0),
                limited=True,
                range=(0.0, self.hand.opening / 2),
                solref_limit=CONTACT["solref"],
                solimp_limit=CONTACT["solimp"],
            )
            self._fill(spec, body, f"{name}/{finger}", part)
            self._add_motor(spec, f"{name}/{finger}")
        spec.add_equality(
            name=f"{name}/gear",
            type=mujoco.mjtEq.mjEQ_JOINT,
            objtype=mujoco.mjtObj.mjOBJ_JOINT,
            name1=f"{name}/{FINGERS[0]}",
            name2=f"{name}/{FINGERS[1]}",
            **CONTACT,
        )

    def before_step(self, model: mujoco.MjModel, data: mujoco.MjData, name: str) -> None:
        """Let the leader go on towards its goal."""
        goal, led = (model.body_mocapid[model.body(f"{name}/{n}").id] for n in (GOAL, LEADER))
        way = data.mocap_pos[goal] - data.mocap_pos[led]
        length = math.sqrt(way @ way)
        change = math.copysign(LEAD_ACCELERATION * SUBSTEP, length - 1e-12)
        speed = min(max(data.userdata[self.slot] + change, 0.0), LEAD_SPEED)
        share = min(1.0, speed * SUBSTEP / max(length, 1e-12))
        data.mocap_pos[led] += way * share
        data.userdata[self.slot] = speed if share < 1.0 else min(speed, PACE)
        turn = np.empty(3)
        mujoco.mju_subQuat(turn, data.mocap_quat[goal], data.mocap_quat[led])
        angle = math.sqrt(turn @ turn)
        share = min(1.0, LEAD_TURN * SUBSTEP / max(angle, 1e-12))
        mujoco.mju_quatIntegrate(data.mocap_quat[led], turn, share)

    @staticmethod
    def _weld(spec: mujoco.MjSpec, leader: str, palm: str) -> None:
        weld = spec.add_equality(
            name=palm,
            type=mujoco.mjtEq.mjEQ_WELD,
            objtype=mujoco.mjtObj.mjOBJ_BODY,
            name1=leader,
            name2=palm,
            solref=(-(1.0 - FOLLOWING) / TIME_STEP**2, -1.0 / TIME_STEP),
            solimp=(YIELDING, YIELDING, 0.001, 0.5, 2.0),
        )
        weld.data[:] = 0.0  # anchor and relative pose: none
        weld.data[10] = 1.0  # weight of turns

    def _fill(self, spec: mujoco.MjSpec, body: Any, name: str, part: int) -> None:
        """Mass and shapes of a part."""
        described, hulls = hand_parts(self.hand)[part], self.hulls[part]
        com = np.array(described.com) + described.origin - (0.0, 0.0, self.hand.tcp_from_base)
        set_inertia(body, described.mass, com, unit_inertia(hulls, com))
        options: dict[str, Any] = {"friction": (0.5, 0.0, 0.0)}  # the palm: Bullet's default
        if part:
            options = {"friction": (self.hand.friction, SPINNING_FRICTION, 0.0), "condim": 4}
        vertices = [np.asarray(hull.vertices) for hull in hulls]
        add_meshes(spec, body, name, vertices, gap=TOUCH, **options, **HAND, **CONTACT)

    def _add_motor(self, spec: mujoco.MjSpec, name: str) -> None:
        force = self.hand.closing_force
        motor = spec.add_actuator(name=name, trntype=mujoco.mjtTrn.mjTRN_JOINT, target=name)
        _serve(motor, FINGER, FINGER_GAIN, force)


def _serve(motor: Any, stiffness: float, gain: float, force: float) -> None:
    """Let an actuator leave a share `gain` of its error per step, as far as its force allows."""
    motor.gaintype, motor.biastype = mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtBias.mjBIAS_AFFINE
    motor.gainprm[0] = stiffness
    motor.biasprm[1], motor.biasprm[2] = -stiffness, -stiffness * TIME_STEP / (1.0 - gain)
    motor.forcelimited, motor.forcerange = True, (-force, force)


class MujocoGripper:
    """A hand in a `MujocoWorld`. `load` before use; `unload` takes it out again.

    Attributes:
        body: its body id, None while it is not loaded.

    Raises:
        ValueError: if what describes the hand's shapes cannot be read.
    """

    def __init__(self, world: MujocoWorld, hand: Hand = PANDA) -> None:
        self.world = world
        self.hand = hand
        self.body: int | None = None
        self._piece = FreeHandPiece(hand)

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
        check_width(width, self.hand)
        self.body = self.world.add(self._piece)
        self.teleport(T_world_tcp, width)

    def unload(self) -> None:
        """Take the hand out of the world."""
        if self.body is not None:
            self.world.remove(self.body)
            self.body = None

    def teleport(self, T_world_tcp: np.ndarray, width: float | None = None) -> None:
        """Put the hand at a pose, at rest, without moving through what lies between.

        Args:
            width: between the fingers, metres; None for the whole opening.
        """
        self.place(T_world_tcp)
        self._joint(PALM).qvel[:] = 0.0
        self._lead(LEADER, T_world_tcp)
        self.world.data.userdata[self._piece.slot] = 0.0
        self.drive_to(T_world_tcp)
        self.set_width(width)

    def place(self, T_world_tcp: np.ndarray) -> None:
        """Move the hand alone to a pose, for distance queries: the drive stays where it was."""
        palm = self._joint(PALM)
        palm.qpos[:3], palm.qpos[3:] = T_world_tcp[:3, 3], wxyz(T_world_tcp[:3, :3])

    def set_velocity(self, velocity: np.ndarray) -> None:
        """Give the hand a linear velocity (3,) in m/s, no rotation."""
        palm = self._joint(PALM)
        palm.qvel[:3], palm.qvel[3:] = velocity, 0.0
        self.world.data.userdata[self._piece.slot] = float(np.linalg.norm(velocity))

    def drive_to(self, T_world_tcp: np.ndarray) -> None:
        """Set the pose that the drive pulls the hand towards in the coming steps."""
        self._lead(GOAL, T_world_tcp)

    def _lead(self, led: str, T: np.ndarray) -> None:
        model, data = self.world.model, self.world.data
        number = model.body_mocapid[model.body(f"{self.body}/{led}").id]
        data.mocap_pos[number], data.mocap_quat[number] = T[:3, 3], wxyz(T[:3, :3])

    def set_width(self, width: float | None = None) -> None:
        """Put the fingers `width` metres apart at once, and hold them there; None for all open.

        Raises:
            ValueError: if `width` is beyond the opening.
        """
        width = check_width(width, self.hand)
        for finger in FINGERS:
            joint = self._joint(finger)
            joint.qpos[:], joint.qvel[:] = width / 2, 0.0
        self.command_width(width)

    def command_width(self, width: float) -> None:
        """Let the finger motors move towards an opening of `width` metres."""
        for finger in FINGERS:
            self.world.data.actuator(f"{self.body}/{finger}").ctrl[:] = width / 2

    def close(self) -> None:
        """Command an opening of zero."""
        self.command_width(0.0)

    @property
    def width(self) -> float:
        """Present opening in metres."""
        left, right = self.fingers
        return max(0.0, left + right)  # a soft stop lets fingers a hair beyond

    @property
    def fingers(self) -> tuple[float, float]:
        """How far left and right finger are from the closed position, metres."""
        left, right = (float(self._joint(finger).qpos[0]) for finger in FINGERS)
        return left, right

    def tcp_position(self) -> np.ndarray:
        """(3,) present position of the TCP."""
        return self._joint(PALM).qpos[:3].copy()

    def contacts(self) -> set[int]:
        """Ids of the bodies that touched the hand in the last step."""
        return {body for body, _, _ in self._touching()}

    def contact_forces(self) -> dict[int, dict[int, float]]:
        """Body id -> {part: summed normal force in N} over the last step's contacts."""
        forces: dict[int, dict[int, float]] = {}
        wrench = np.zeros(6)
        for body, part, number in self._touching():
            if self.world.data.contact.efc_address[number] < 0:
                continue  # near, but not pressed
            mujoco.mj_contactForce(self.world.model, self.world.data, number, wrench)
            parts = forces.setdefault(body, {})
            parts[part] = parts.get(part, 0.0) + float(wrench[0])
        return forces

    def _touching(self) -> Iterator[tuple[int, int, int]]:
        """(other body, part of the hand, number of the contact) of every contact of the hand."""
        geoms = self.world.data.contact.geom
        for number, pair in enumerate(self.world.owner[geoms].tolist()):
            for mine, other in ((0, 1), (1, 0)):
                if pair[mine] == self.body != pair[other]:
                    yield pair[other], self._part(int(geoms[number, mine])), number

    def _part(self, geom: int) -> int:
        """Number of the part that a geom of the hand belongs to."""
        model = self.world.model
        return LINK_NAMES.index(model.body(model.geom_bodyid[geom]).name.partition("/")[2])

    def place_of(self, body: int) -> np.ndarray:
        """(3,) centre of mass of a body in the grasp frame of the palm, metres."""
        palm, rotation = self._joint(PALM).qpos, np.empty(9)
        mujoco.mju_quat2Mat(rotation, palm[3:])
        return rotation.reshape(3, 3).T @ (self.world.centre_of_mass(body) - palm[:3])

    def clearances(self, body: int, reach: float) -> Iterator[tuple[int, float]]:
        """(number of a part, distance in metres) of close shapes of the hand and a body."""
        for geom, distance in self.world.distances(self.body, body, reach):
            yield self._part(geom), distance

    def contact_distances(self) -> dict[int, np.ndarray]:
        """Body id -> (3,) distance in metres at which a touch is reported."""
        table = self.world.table
        bodies = [*self.world.bodies] + ([] if table is None else [table])
        return {body: np.full(len(LINK_NAMES), TOUCH) for body in bodies}

    def _joint(self, part: str) -> Any:
        return self.world.data.joint(f"{self.body}/{part}")
