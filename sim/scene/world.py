"""A PyBullet world in the workspace frame: a `Simulator` of the published protocol.

Import this module in simulator processes only; the parent of a run must never load pybullet. The
constants follow the published VGN/GIGA simulator (gravity, step, 150 solver iterations, rest test).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pybullet
from scipy.spatial.transform import Rotation

from equigrasp.workspace import WORKSPACE, Workspace
from sim.scene.base import SOLVER_ITERATIONS, BaseWorld, check_same_bodies
from sim.scene.client import Client
from sim.scene.simulator import Velocity
from sim.scene.table import Table


@dataclass(frozen=True)
class Snapshot:
    """A state held in the simulator's memory, valid while the set of bodies is unchanged."""

    state_id: int
    bodies: tuple[int, ...]


class World(Client, BaseWorld):
    """A workspace with a table and the objects on it, in PyBullet.

    Attributes:
        workspace, bodies, table, draw_physics, scratch: see `sim.scene.simulator.Simulator`.
    """

    simulator = "pybullet"
    contact_margin = 0.001

    def __init__(self, workspace: Workspace = WORKSPACE) -> None:
        super().__init__(SOLVER_ITERATIONS)
        self._begin(workspace)
        self._com: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.reset()

    def close(self) -> None:
        """Disconnect from the simulator and delete the generated files. Safe to call twice."""
        super().close()
        self._end()

    def reset(self) -> None:
        """Empty the world."""
        super().reset()
        self._clear()
        self._com.clear()

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

    def mass(self, body: int) -> float:
        """Mass of a body in kg."""
        return self.p.getDynamicsInfo(body, -1)[0]

    def friction(self, body: int) -> float:
        """Lateral friction of a body."""
        return self.p.getDynamicsInfo(body, -1)[1]

    def set_mass(self, body: int, mass: float) -> None:
        """Give a body another mass (kg); its inertia follows."""
        self.p.changeDynamics(body, -1, mass=mass)

    def set_friction(self, body: int, friction: float) -> None:
        """Give a body another lateral friction."""
        self.p.changeDynamics(body, -1, lateralFriction=friction)

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

    def velocity(self, body: int) -> Velocity:
        """Linear (m/s) and angular (rad/s) velocity of a body's centre of mass."""
        return self.p.getBaseVelocity(body)

    def set_velocity(self, body: int, velocity: Velocity) -> None:
        """Let a body move."""
        self.p.resetBaseVelocity(body, *velocity)

    def bounds(self, body: int) -> np.ndarray:
        """(2, 3) lower and upper corner of the box that Bullet keeps around a body."""
        return np.array(self.p.getAABB(body))

    def distance(self, body: int, other: int, reach: float) -> float:
        """Least distance (m) between two bodies, negative if they overlap; inf beyond `reach`."""
        points = self.p.getClosestPoints(body, other, reach)
        return min((point[8] for point in points), default=np.inf)

    def everything(self) -> tuple[int, ...]:
        """Ids of all that is in the world, fixtures included."""
        return tuple(self.p.getBodyUniqueId(i) for i in range(self.p.getNumBodies()))

    def save(self) -> Snapshot:
        """Keep the present state in memory. Give it back with `forget` when no longer needed."""
        return Snapshot(self.p.saveState(), self.everything())

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
        check_same_bodies(self.everything(), state.bodies)
        self.p.restoreState(stateId=state.state_id)

    def forget(self, state: Snapshot) -> None:
        """Free a snapshot's memory."""
        self.p.removeState(state.state_id)
