"""Flows by name, and how a velocity carries samples from the prior to the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Generator, Tensor

from equigrasp.diffusion.flow_euclidean import RowsFlow
from equigrasp.diffusion.flow_so3 import SO3Flow

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

    def velocity(self, state: Tensor, target: Tensor) -> Tensor:
        """Velocity anywhere on the path between the two, which a network learns."""

    def step(self, state: Tensor, velocity: Tensor, duration: Tensor | float) -> Tensor:
        """Move on."""

    def to_rotation(self, state: Tensor) -> Tensor:
        """Rotations of states at time 1."""


FLOWS: dict[str, Flow] = {"so3": SO3Flow(), "euclidean": RowsFlow()}


def integrate(flow: Flow, velocity: Velocity, state: Tensor, steps: int) -> Tensor:
    """Carry states from time 0 to time 1 by Euler's method, one evaluation per step.

    Args:
        flow: how a velocity moves a state.
        velocity: the field, usually a network.
        state: (..., i, j) at time 0.
        steps: equal steps in time.

    Raises:
        ValueError: fewer than one step.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; an integration takes at least one")
    duration = 1.0 / steps
    for index in range(steps):
        time = state.new_full(state.shape[:-2], index * duration)
        state = flow.step(state, velocity(state, time), duration)
    return state
