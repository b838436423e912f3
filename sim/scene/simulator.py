"""What a simulator has to be able to do for scenes, trials and rounds: the protocol `Simulator`.

Scenes are built, labelled and cleared through it alone, so that they do not care which engine runs
below (`sim.scene.choice`). The hand that grasps has a protocol of its own,
`sim.grasping.free_hand.FreeHand`. All is in the workspace frame, SI units.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from equigrasp.workspace import Workspace
from sim.scene.physics import DrawPhysics

if TYPE_CHECKING:
    from typing_extensions import Self

GRAVITY = -9.81
TIME_STEP = 1.0 / 240.0
"""Seconds per step, in every simulator: phases of trials are counted in steps."""

Velocity = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Linear in m/s, of the centre of mass, and angular in rad/s."""


class State(Protocol):
    """What `Simulator.save` returns; only the simulator that made it looks inside."""

    bodies: tuple[int, ...]


class Simulator(Protocol):
    """A world with a table and objects, of one physics engine. A context manager.

    A body has a number (its id) that is its own until it is removed.

    Attributes:
        simulator: name of the engine, as `--simulator` takes it.
        workspace: where objects belong; the table is placed under it.
        bodies: body id -> whatever the scene builder stores for that object (None until it does).
            Table, hand and other fixtures are not listed.
        table: body id of the table, or None.
        draw_physics: how mass and friction of the objects of a scene that is being built are drawn;
            None leaves them as their files say.
        scratch: folder for generated files, removed on `close`.
        solver_iterations: of every step from now on.
        contact_margin: distance in metres by which shapes are thicker for contacts than they are.
    """

    simulator: ClassVar[str]
    workspace: Workspace
    bodies: dict[int, Any]
    table: int | None
    draw_physics: DrawPhysics | None
    scratch: Path
    solver_iterations: int
    contact_margin: ClassVar[float]

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def close(self) -> None:
        """Give everything back. Safe to call twice."""

    def reset(self) -> None:
        """Empty the world: what comes now does not depend on what was before."""

    def step(self, count: int = 1) -> None:
        """Advance by `count` steps of `TIME_STEP` seconds."""

    def set_solver_iterations(self, iterations: int) -> None:
        """Change the (greatest) number of solver iterations from now on.

        Raises:
            ValueError: if it is not positive.
        """

    def load_table(self) -> int:
        """Add the static table of the workspace, and return its body id."""

    def load_urdf(self, urdf: Path | str, T_world_base: np.ndarray, scale: float = 1.0) -> int:
        """Load a URDF of one link that is not an object of the scene; return its body id.

        Args:
            urdf: its collision shapes count, meshes as their convex parts; mass 0 stays in place.
            T_world_base: (4, 4) pose of its base frame.
            scale: of all lengths; the mass stays.

        Raises:
            ValueError: if the file cannot be read.
        """

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
            scale: of all lengths; the mass stays.
            mass: in kg; None for that of the URDF.
            friction: lateral friction; None for that of the URDF.
        """

    def mass(self, body: int) -> float:
        """Mass of a body in kg."""

    def friction(self, body: int) -> float:
        """Lateral friction of a body. Of two bodies that touch, the frictions are multiplied."""

    def set_mass(self, body: int, mass: float) -> None:
        """Give a body another mass (kg); its inertia follows."""

    def remove(self, body: int) -> None:
        """Take a body out of the world."""

    def pose(self, body: int) -> np.ndarray:
        """(4, 4) pose of a body's URDF base frame."""

    def set_pose(self, body: int, T_world_base: np.ndarray) -> None:
        """Teleport a body's base frame to a (4, 4) pose; velocities become zero."""

    def body_poses(self) -> dict[int, np.ndarray]:
        """Body id -> (4, 4) pose of every object of the scene, in loading order."""

    def velocity(self, body: int) -> Velocity:
        """How a body moves."""

    def set_velocity(self, body: int, velocity: Velocity) -> None:
        """Let a body move."""

    def bounds(self, body: int) -> np.ndarray:
        """(2, 3) lower and upper corner of a box around a body; it may be a little large."""

    def distance(self, body: int, other: int, reach: float) -> float:
        """Least distance (m) between two bodies, negative where they overlap; inf beyond `reach`.

        Contact margins count as part of the shapes.
        """

    def everything(self) -> tuple[int, ...]:
        """Ids of all that is in the world, fixtures included."""

    def at_rest(self) -> bool:
        """Whether every object of the scene is slower than `sim.scene.base.REST_VELOCITY`."""

    def wait_for_rest(self, timeout: float = ...) -> bool:
        """Step until all is at rest or `timeout` simulated seconds have passed; whether it is."""

    def remove_outside_workspace(self) -> list[int]:
        """Remove the objects whose base has left the workspace cube; return their body ids."""

    def settle(self, timeout: float = ...) -> tuple[bool, list[int]]:
        """Wait for rest and remove what left the workspace, until nothing leaves.

        Returns:
            Whether the last wait ended at rest, and the ids of the removed bodies.
        """

    def save(self) -> State:
        """Keep the present state in memory. Give it back with `forget` when no longer needed."""

    def restore(self, state: State) -> None:
        """Go back to a state; equal steps after it have equal outcomes.

        Raises:
            ValueError: if the world holds other body ids than when it was saved.
        """

    def forget(self, state: State) -> None:
        """Free a state's memory."""
