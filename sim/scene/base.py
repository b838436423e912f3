"""What worlds of every simulator have in common: objects, rest and clean-up.

The rest test follows the published VGN/GIGA simulator.
"""

from __future__ import annotations

import math
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from equigrasp.workspace import Workspace
from sim.scene.physics import DrawPhysics
from sim.scene.simulator import TIME_STEP, Velocity

SOLVER_ITERATIONS = 150
REST_CHUNK = 60
"""Steps between two rest tests (0.25 s)."""
REST_VELOCITY = 0.01
"""Norm of the stacked linear and angular velocity below which a body is at rest."""
REST_TIMEOUT = 2.0
"""Longest wait for rest, in simulated seconds."""


class BaseWorld(ABC):
    """The part of `sim.scene.simulator.Simulator` that does not depend on the engine.

    An engine's world calls `_begin` in its `__init__`, `_end` in `close`, `_clear` in `reset`.
    """

    simulator: ClassVar[str]
    contact_margin: ClassVar[float]

    def _begin(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._scratch = tempfile.TemporaryDirectory(prefix="equigrasp-world-")
        self.scratch = Path(self._scratch.name)
        self.bodies: dict[int, Any] = {}
        self.table: int | None = None
        self.draw_physics: DrawPhysics | None = None

    def _end(self) -> None:
        self._scratch.cleanup()

    def _clear(self) -> None:
        self.bodies.clear()
        self.table = None

    @abstractmethod
    def step(self, count: int = 1) -> None:
        """Advance by `count` steps of `TIME_STEP` seconds."""

    @abstractmethod
    def load_urdf(self, urdf: Path | str, T_world_base: np.ndarray, scale: float = 1.0) -> int:
        """Load a URDF that is not an object of the scene (a box); return its body id."""

    @abstractmethod
    def set_mass(self, body: int, mass: float) -> None:
        """Give a body another mass (kg); its inertia follows."""

    @abstractmethod
    def set_friction(self, body: int, friction: float) -> None:
        """Give a body another lateral friction."""

    @abstractmethod
    def remove(self, body: int) -> None:
        """Take a body out of the world."""

    @abstractmethod
    def pose(self, body: int) -> np.ndarray:
        """(4, 4) pose of a body's URDF base frame in the workspace frame."""

    @abstractmethod
    def velocity(self, body: int) -> Velocity:
        """How a body moves."""

    @abstractmethod
    def everything(self) -> tuple[int, ...]:
        """Ids of all that is in the world, fixtures included."""

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
            scale: of all lengths; the mass stays as it is.
            mass: in kg; None for that of the URDF.
            friction: lateral friction; None for that of the URDF.
        """
        body = self.load_urdf(getattr(spec, "urdf", spec), T_world_object, scale)
        if mass is not None:
            self.set_mass(body, mass)
        if friction is not None:
            self.set_friction(body, friction)
        self.bodies[body] = None
        return body

    def body_poses(self) -> dict[int, np.ndarray]:
        """Body id -> (4, 4) pose of every object of the scene, in loading order."""
        return {body: self.pose(body) for body in self.bodies}

    def at_rest(self) -> bool:
        """Whether every object of the scene is slower than `REST_VELOCITY`."""
        for body in self.bodies:
            linear, angular = self.velocity(body)
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
            if not all(0.0 <= x <= self.workspace.side for x in self.pose(body)[:3, 3])
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


def check_same_bodies(present: tuple[int, ...], saved: tuple[int, ...]) -> None:
    """Refuse a state of other bodies.

    Raises:
        ValueError: naming the bodies of both.
    """
    if present != saved:
        raise ValueError(
            f"the world holds bodies {present}, the snapshot {saved}: bodies"
            " were added or removed since; take a new snapshot"
        )


def check_iterations(iterations: int) -> None:
    """Refuse a number of solver iterations that is not positive.

    Raises:
        ValueError: naming it.
    """
    if iterations < 1:
        raise ValueError(f"solver_iterations is {iterations}; the solver needs at least 1")
