"""A MuJoCo world in the workspace frame, a `Simulator` that has wheels for every Python.

Import this module in simulator processes only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from equigrasp.workspace import WORKSPACE, Workspace
from sim.scene.base import SOLVER_ITERATIONS, BaseWorld, check_same_bodies
from sim.scene.mujoco_bodies import Ground, Rigid, rigid_from_urdf, wxyz
from sim.scene.mujoco_engine import MujocoEngine
from sim.scene.simulator import Velocity
from sim.scene.table import Table

if TYPE_CHECKING:
    from typing_extensions import Self

STATE = int(mujoco.mjtState.mjSTATE_INTEGRATION)
"""All that the future depends on, the solver's warm start included."""


@dataclass(frozen=True)
class MujocoState:
    """A state, good for any model of the same bodies.

    Attributes:
        bodies: ids of all that is in the world.
        values: of the simulation.
    """

    bodies: tuple[int, ...]
    values: np.ndarray


class MujocoWorld(MujocoEngine, BaseWorld):
    """A workspace with a table and the objects on it, in MuJoCo. Use it as a context manager.

    Attributes:
        workspace, bodies, table, draw_physics, scratch: see `sim.scene.simulator.Simulator`.
        solver_iterations: the most that Newton's method may make in a step.
    """

    simulator = "mujoco"
    contact_margin = 0.0

    def __init__(self, workspace: Workspace = WORKSPACE) -> None:
        super().__init__(SOLVER_ITERATIONS)
        self._begin(workspace)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Give memory back and delete the generated files. Safe to call twice."""
        self.reset()
        self._end()

    def reset(self) -> None:
        """Empty the world."""
        self._clear()
        self.empty()

    def load_table(self) -> int:
        """Add the static table of the workspace, and return its body id."""
        self.table = self.add(Ground(Table(self.workspace)))
        return self.table

    def load_urdf(self, urdf: Path | str, T_world_base: np.ndarray, scale: float = 1.0) -> int:
        """Load a URDF that is not an object of the scene (a box); return its body id.

        Raises:
            ValueError: if the file cannot be read.
        """
        return self.add(rigid_from_urdf(Path(urdf), float(scale), T_world_base))

    def remove(self, body: int) -> None:
        """Take a body out of the world."""
        self.take_out(body)
        self.bodies.pop(body, None)

    def mass(self, body: int) -> float:
        """Mass of a body in kg."""
        return self._rigid(body).mass

    def friction(self, body: int) -> float:
        """Lateral friction of a body."""
        piece = self.pieces[body]
        return piece.table.friction if isinstance(piece, Ground) else self._rigid(body).friction

    def set_mass(self, body: int, mass: float) -> None:
        """Give a body another mass (kg); its inertia follows."""
        piece = self._rigid(body)
        factor, piece.mass = mass / piece.mass, mass
        if self.compiled:
            number = self.model.body(str(body)).id
            self.model.body_mass[number] *= factor
            self.model.body_inertia[number] *= factor
            mujoco.mj_setConst(self.model, mujoco.MjData(self.model))

    def set_friction(self, body: int, friction: float) -> None:
        """Give a body another lateral friction."""
        self._rigid(body).friction = friction
        if self.compiled:
            self.model.geom_friction[self.owner == body, 0] = friction

    def _rigid(self, body: int) -> Rigid:
        piece = self.pieces[body]
        if not isinstance(piece, Rigid):
            raise ValueError(f"body {body} is not one that was loaded from a URDF")
        return piece

    def pose(self, body: int) -> np.ndarray:
        """(4, 4) pose of a body's URDF base frame in the workspace frame."""
        piece, T = self._rigid(body), np.eye(4)
        if piece.mass <= 0.0 or not self.knows(body):
            return piece.T.copy()
        q = self.last_data.joint(str(body)).qpos
        rotation = np.empty(9)
        mujoco.mju_quat2Mat(rotation, q[3:])
        T[:3, :3], T[:3, 3] = rotation.reshape(3, 3), q[:3]
        return T

    def set_pose(self, body: int, T_world_base: np.ndarray) -> None:
        """Teleport a body's base frame to a (4, 4) pose; velocities become zero."""
        piece = self._rigid(body)
        piece.T = np.array(T_world_base, dtype=np.float64)
        if piece.mass <= 0.0:
            self.recompile()
        elif self.knows(body):
            joint = self.last_data.joint(str(body))
            joint.qpos[:3], joint.qpos[3:] = piece.T[:3, 3], wxyz(piece.T[:3, :3])
            joint.qvel[:] = 0.0

    def velocity(self, body: int) -> Velocity:
        """Linear (m/s) and angular (rad/s) velocity of a body's centre of mass."""
        joint, rotation = self.data.joint(str(body)), self.pose(body)[:3, :3]
        angular = rotation @ joint.qvel[3:]  # MuJoCo has it in the body's own axes
        linear = joint.qvel[:3] + np.cross(angular, rotation @ self._rigid(body).com)
        return tuple(linear.tolist()), tuple(angular.tolist())

    def set_velocity(self, body: int, velocity: Velocity) -> None:
        """Let a body move."""
        joint, rotation = self.data.joint(str(body)), self.pose(body)[:3, :3]
        linear, angular = map(np.asarray, velocity)
        joint.qvel[:3] = linear - np.cross(angular, rotation @ self._rigid(body).com)
        joint.qvel[3:] = rotation.T @ angular

    def centre_of_mass(self, body: int) -> np.ndarray:
        """(3,) centre of mass of a body, metres."""
        T = self.pose(body)
        return T[:3, :3] @ self._rigid(body).com + T[:3, 3]

    def bounds(self, body: int) -> np.ndarray:
        """(2, 3) lower and upper corner of the box around a body."""
        T = self.pose(body)
        points = self._rigid(body).vertices @ T[:3, :3].T + T[:3, 3]
        return np.stack([points.min(axis=0), points.max(axis=0)])

    def distance(self, body: int, other: int, reach: float) -> float:
        """Least distance (m) between two bodies, negative if they overlap; inf beyond `reach`."""
        return min((d for _, d in self.distances(body, other, reach)), default=np.inf)

    def everything(self) -> tuple[int, ...]:
        """Ids of all that is in the world, fixtures included."""
        return tuple(self.pieces)

    def save(self) -> MujocoState:
        """Keep the present state."""
        values = np.empty(mujoco.mj_stateSize(self.model, STATE))
        mujoco.mj_getState(self.model, self.data, values, STATE)
        return MujocoState(self.everything(), values)

    def restore(self, state: MujocoState) -> None:
        """Go back to a state: the future is what it was, bit for bit.

        Raises:
            ValueError: if the world holds other body ids than when the state was saved.
        """
        check_same_bodies(self.everything(), state.bodies)
        mujoco.mj_setState(self.model, self.data, state.values, STATE)

    def forget(self, state: MujocoState) -> None:
        """Nothing is left behind by a state of MuJoCo."""
