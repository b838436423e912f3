"""A PyBullet world in the workspace frame: table, objects, rest, clean-up and snapshots.

Import this module in simulator processes only; the parent of a run must never load pybullet. The
constants follow the published VGN/GIGA simulator (gravity, step, 150 solver iterations, rest test).
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pybullet
from scipy.spatial.transform import Rotation

from equigrasp.workspace import WORKSPACE, Workspace
from sim.scene.client import TIME_STEP, Client
from sim.scene.physics import DrawPhysics
from sim.scene.table import Table

SOLVER_ITERATIONS = 150
REST_CHUNK = 60
"""Steps between two rest tests (0.25 s)."""
REST_VELOCITY = 0.01
"""Norm of the stacked linear and angular velocity below which a body is at rest."""
REST_TIMEOUT = 2.0
"""Longest wait for rest, in simulated seconds."""


@dataclass(frozen=True)
class Snapshot:
    """A state held in the simulator's memory, valid while the set of bodies is unchanged."""

    state_id: int
    bodies: tuple[int, ...]


class World(Client):
    """A workspace with a table and the objects on it.

    Attributes:
        workspace: where objects belong; the table is placed under it.
        bodies: body id -> whatever the scene builder stores for that object (None until it does).
            Table, gripper and other fixtures are not listed.
        table: body id of the table, or None.
        draw_physics: how mass and friction of the objects of a scene that is being built are drawn;
            None leaves them as their files say.
        scratch: folder for generated files, removed on `close`.
    """

    def __init__(self, workspace: Workspace = WORKSPACE) -> None:
        super().__init__(SOLVER_ITERATIONS)
        self.workspace = workspace
        self._scratch = tempfile.TemporaryDirectory(prefix="equigrasp-world-")
        self.scratch = Path(self._scratch.name)
        self.bodies: dict[int, Any] = {}
        self._com: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.table: int | None = None
        self.draw_physics: DrawPhysics | None = None
        self.reset()

    def close(self) -> None:
        """Disconnect from the simulator and delete the generated files. Safe to call twice."""
        super().close()
        self._scratch.cleanup()

    def reset(self) -> None:
        """Empty the world."""
        super().reset()
        self.bodies.clear()
        self._com.clear()
        self.table = None

    def load_table(self) -> int:
        """Add the static table of the workspace, and return its body id."""
        table = Table(self.workspace)
        shape = self.p.createCollisionShape(pybullet.GEOM_BOX, halfExtents=table.half_extents)
        self.table = self.p.createMultiBody(0.0, shape, basePosition=table.centre)
        self.p.changeDynamics(self.table, -1, lateralFriction=table.friction)
        return self.table

    def load_urdf(self, urdf: Path | str, T_world_base: np.ndarray, scale: float = 1.0) -> int:
        """Load a URDF that is not an object of the scene (a box, a gripper); return its body id.

        Raises:
            ValueError: if PyBullet cannot read the file.
        """
        try:
            body = self.p.loadURDF(str(urdf), globalScaling=float(scale))
        except self.p.error as error:
            raise ValueError(f"PyBullet cannot load '{Path(urdf).name}': {error}") from error
        info = self.p.getDynamicsInfo(body, -1)
        self._com[body] = (np.array(info[3]), Rotation.from_quat(info[4]).as_matrix())
        self.set_pose(body, T_world_base)
        return body

    def load_object(
        self,
        spec: Any,
        T_world_object: np.ndarray,
        scale: float = 1.0,
        *,
        mass: float | None = None,
        friction: float | None = None,
    ) -> int:
        """Load an object of the scene; return its body id.

        Args:
            spec: an `ObjectSpec`, or anything with a `urdf` path; also a path itself.
            T_world_object: (4, 4) pose of the URDF base frame.
            scale: global scaling of the URDF; Bullet leaves the mass as it is.
            mass: in kg; None for that of the URDF.
            friction: lateral friction; None for that of the URDF.
        """
        body = self.load_urdf(getattr(spec, "urdf", spec), T_world_object, scale)
        if mass is not None:
            self.set_mass(body, mass)
        if friction is not None:
            self.p.changeDynamics(body, -1, lateralFriction=friction)
        self.bodies[body] = None
        return body

    def mass(self, body: int) -> float:
        """Mass of a body in kg."""
        return self.p.getDynamicsInfo(body, -1)[0]

    def friction(self, body: int) -> float:
        """Lateral friction of a body."""
        return self.p.getDynamicsInfo(body, -1)[1]

    def set_mass(self, body: int, mass: float) -> None:
        """Give a body another mass (kg); its inertia follows."""
        self.p.changeDynamics(body, -1, mass=mass)

    def remove(self, body: int) -> None:
        """Take a body out of the world."""
        self.p.removeBody(body)
        self.bodies.pop(body, None)
        self._com.pop(body, None)

    def set_pose(self, body: int, T_world_base: np.ndarray) -> None:
        """Teleport a body's base frame to a (4, 4) pose; velocities become zero."""
        # PyBullet sets and reports the centre-of-mass frame, not the URDF base frame.
        offset, turn = self._com[body]
        rotation = T_world_base[:3, :3] @ turn
        position = T_world_base[:3, :3] @ offset + T_world_base[:3, 3]
        quaternion = Rotation.from_matrix(rotation).as_quat()
        self.p.resetBasePositionAndOrientation(body, position.tolist(), quaternion.tolist())

    def pose(self, body: int) -> np.ndarray:
        """(4, 4) pose of a body's URDF base frame in the workspace frame."""
        position, quaternion = self.p.getBasePositionAndOrientation(body)
        offset, turn = self._com[body]
        T = np.eye(4)
        T[:3, :3] = Rotation.from_quat(quaternion).as_matrix() @ turn.T
        T[:3, 3] = np.array(position) - T[:3, :3] @ offset
        return T

    def body_poses(self) -> dict[int, np.ndarray]:
        """Body id -> (4, 4) pose of every object of the scene, in loading order."""
        return {body: self.pose(body) for body in self.bodies}

    def at_rest(self) -> bool:
        """Whether every object of the scene is slower than `REST_VELOCITY`."""
        for body in self.bodies:
            linear, angular = self.p.getBaseVelocity(body)
            if math.hypot(*linear, *angular) > REST_VELOCITY:
                return False
        return True

    def wait_for_rest(self, timeout: float = REST_TIMEOUT) -> bool:
        """Step in chunks of `REST_CHUNK` until all is at rest or `timeout` seconds have passed."""
        elapsed = 0.0
        while elapsed < timeout:
            self.step(REST_CHUNK)
            elapsed += REST_CHUNK * TIME_STEP
            if self.at_rest():
                return True
        return False

    def remove_outside_workspace(self) -> list[int]:
        """Remove the objects whose base has left the workspace cube; return their body ids."""
        lost = [
            body
            for body in self.bodies
            if not all(0.0 <= x <= self.workspace.side for x in self._base_position(body))
        ]
        for body in lost:
            self.remove(body)
        return lost

    def settle(self, timeout: float = REST_TIMEOUT) -> tuple[bool, list[int]]:
        """Wait for rest and remove what left the workspace, until nothing leaves.

        Returns:
            Whether the last wait ended at rest, and the ids of the removed bodies.
        """
        removed: list[int] = []
        while True:
            rested = self.wait_for_rest(timeout)
            lost = self.remove_outside_workspace()
            removed += lost
            if not lost:
                return rested, removed

    def save(self) -> Snapshot:
        """Keep the present state in memory. Give it back with `forget` when no longer needed."""
        return Snapshot(self.p.saveState(), self._body_ids())

    def restore(self, state: Snapshot) -> None:
        """Go back to a snapshot.

        The future is not the one that an uninterrupted run would have had (bullet3 issue 4387):
        compound bodies lose their contacts. Nor is it the same bit for bit after every restore, for
        the order of contact pairs remembers what was simulated since; only a world that is built
        afresh has one future (`sim.clutter.attempts`).

        Raises:
            ValueError: if the world holds other body ids than when the snapshot was taken. Bullet
                reuses the ids of removed bodies, so a replaced body goes unnoticed.
        """
        if self._body_ids() != state.bodies:
            raise ValueError(
                f"the world holds bodies {self._body_ids()}, the snapshot {state.bodies}: bodies"
                " were added or removed since; take a new snapshot"
            )
        self.p.restoreState(stateId=state.state_id)

    def forget(self, state: Snapshot) -> None:
        """Free a snapshot's memory."""
        self.p.removeState(state.state_id)

    def _body_ids(self) -> tuple[int, ...]:
        return tuple(self.p.getBodyUniqueId(i) for i in range(self.p.getNumBodies()))

    def _base_position(self, body: int) -> np.ndarray:
        return self.pose(body)[:3, 3]
