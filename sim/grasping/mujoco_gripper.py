"""The free-floating hand in MuJoCo; its parts and what moves them stand in `mujoco_hand`.

What the methods promise stands in `sim.grasping.free_hand`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np

from equigrasp.hand import PANDA, Hand
from sim.grasping.body import LINK_NAMES
from sim.grasping.free_hand import check_width, parked_pose
from sim.grasping.mujoco_hand import FINGERS, GOAL, LEADER, PALM, TOUCH, FreeHandPiece
from sim.scene.mujoco_bodies import wxyz
from sim.scene.mujoco_world import MujocoWorld


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

    def stands_in(self) -> set[int]:
        """Ids of the bodies that overlap the hand.

        Stiff contacts throw a light thing out of a hand that is put 5 to 40 mm into it at 0.5 to
        4 m/s: after two or three of the four steps before the first look nothing touches any more.
        """
        mujoco.mj_fwdPosition(self.world.model, self.world.data)
        apart = self.world.data.contact.dist
        return {body for body, _, number in self._touching() if apart[number] < 0.0}

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
