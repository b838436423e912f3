"""Parts of the free-floating hand in MuJoCo: a palm welded softly to what leads it, two fingers.

What leads it goes to where the hand is told to go, no faster than trials move, so that what is held
is not torn away; the weld leaves as much of the error per step as the published drive does. The
fingers push with the hand's force and move as one.
"""

from __future__ import annotations

import math
from typing import Any

import mujoco
import numpy as np

from equigrasp.hand import Hand
from sim.grasping.body import LINK_NAMES, gripper_hulls, hand_parts
from sim.scene.mujoco_bodies import (
    CONTACT,
    HAND,
    Piece,
    add_meshes,
    set_inertia,
    unit_inertia,
)
from sim.scene.mujoco_engine import SUBSTEP
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
