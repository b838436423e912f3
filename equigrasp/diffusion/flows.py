"""Flows by name, and how a velocity carries samples from the prior to the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Generator, Tensor

from equigrasp.diffusion.flow_euclidean import RowsFlow
from equigrasp.diffusion.flow_so3 import SO3Flow

METHODS = ("euler", "heun")

Velocity = Callable[[Tensor, Tensor], Tensor]
"""Velocities at states (..., i, j) and times (...)."""


class Flow(Protocol):
    """Paths from a prior to grasp rotations; see `SO3Flow`."""

    def prior(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        """States (*shape, i, j) at time 0, on the CPU, as the generator is."""

    def pair(self, state: Tensor, rotation: Tensor) -> Tensor:
        """The state at time 1 that a state of the prior is to reach."""

    def interpolate(self, state: Tensor, target: Tensor, time: Tensor) -> Tensor:
        """State between the two."""

    def velocity(self, state: Tensor, target: Tensor, time: Tensor) -> Tensor:
        """Velocity there, which a network learns."""

    def step(self, state: Tensor, velocity: Tensor, duration: Tensor | float) -> Tensor:
        """Move on."""

    def to_rotation(self, state: Tensor) -> Tensor:
        """Rotations of states at time 1."""


FLOWS: dict[str, Flow] = {"so3": SO3Flow(), "euclidean": RowsFlow()}


def integrate(
    flow: Flow, velocity: Velocity, state: Tensor, steps: int, method: str = "euler"
) -> Tensor:
    """Carry states from time 0 to time 1.

    Args:
        flow: how a velocity moves a state.
        velocity: the field, usually a network.
        state: (..., i, j) at time 0.
        steps: equal steps in time.
        method: "euler" (one evaluation per step) or "heun" (two, second order).

    Raises:
        ValueError: unknown method, or fewer than one step.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; choose one of {', '.join(METHODS)}")
    if steps < 1:
        raise ValueError(f"steps is {steps}; an integration takes at least one")
    duration = 1.0 / steps
    for index in range(steps):
        time = state.new_full(state.shape[:-2], index * duration)
        there = velocity(state, time)
        if method == "heun":
            ahead = flow.step(state, there, duration)
            there = 0.5 * (there + velocity(ahead, time + duration))
        state = flow.step(state, there, duration)
    return state
