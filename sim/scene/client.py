"""What every PyBullet world is made of: a client of its own, gravity, time and the solver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pybullet
from pybullet_utils import bullet_client

from sim.scene.base import check_iterations
from sim.scene.simulator import GRAVITY, TIME_STEP

if TYPE_CHECKING:
    from typing_extensions import Self


class Client:
    """One DIRECT PyBullet client. Use it as a context manager, or call `close`.

    A subclass calls `reset` at the end of its own `__init__`, when what it clears is there.

    Args:
        solver_iterations: of every step.
        deterministic_pairs: whether Bullet sorts overlapping pairs, so that a scene's future does
            not depend on what the client simulated before it.

    Attributes:
        p: the client; every PyBullet function is a method of it.
        solver_iterations: of every step from now on.

    Raises:
        ValueError: if `solver_iterations` is not positive.
    """

    def __init__(self, solver_iterations: int, *, deterministic_pairs: bool = False) -> None:
        check_iterations(solver_iterations)
        self.solver_iterations = solver_iterations
        self._sorting = {"deterministicOverlappingPairs": 1} if deterministic_pairs else {}
        self.p = bullet_client.BulletClient(pybullet.DIRECT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect from the simulator. Safe to call twice."""
        if self.p.isConnected():
            self.p.disconnect()

    def reset(self) -> None:
        """Empty the world. This is the only way to give Bullet's collision shapes back."""
        self.p.resetSimulation()
        self.p.setGravity(0.0, 0.0, GRAVITY)
        self.set_solver_iterations(self.solver_iterations)

    def set_solver_iterations(self, iterations: int) -> None:
        """Change the number of solver iterations from now on.

        Raises:
            ValueError: if it is not positive.
        """
        check_iterations(iterations)
        self.solver_iterations = iterations
        self.p.setPhysicsEngineParameter(
            fixedTimeStep=TIME_STEP, numSolverIterations=iterations, **self._sorting
        )

    def step(self, count: int = 1) -> None:
        """Advance the simulation by `count` steps of `TIME_STEP` seconds."""
        for _ in range(count):
            self.p.stepSimulation()
