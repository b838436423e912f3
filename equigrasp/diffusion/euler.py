"""Carrying states from noise to data along a velocity, by Euler's method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor

from equigrasp.diffusion.times import sample_times

Network = Callable[[Tensor, Tensor], Tensor]
"""What is predicted at states (P, M, i, j) and times (P, M)."""


class EulerPath:
    """What flows have in common whose networks predict a velocity; they have a `step`."""

    step: Any

    @staticmethod
    def times(
        shape: tuple[int, int], generator: Generator, dtype: torch.dtype | None = None
    ) -> Tensor:
        """Times (P, M) at which a network is trained, from 0 (noise) to 1."""
        return sample_times(shape, generator, dtype=dtype)

    @staticmethod
    def draws(steps: int) -> tuple[int, ...]:
        """Axes that a sample's noise has beyond a state: none, for nothing is added on the way."""
        return ()

    def stops(self, steps: int) -> list[tuple[float, float]]:
        """Times at which the network is asked, and for how long each answer is followed; from 0 to
        1 in equal steps.

        Raises:
            ValueError: fewer than one step.
        """
        if steps < 1:
            raise ValueError(f"steps is {steps}; an integration takes at least one")
        duration = 1.0 / steps
        return [(index * duration, duration) for index in range(steps)]

    @staticmethod
    def counted(state: Tensor) -> torch.Size:
        """Leading axes of states (..., i, j), each of which has a time."""
        return state.shape[:-2]

    def carry(self, network: Network, noise: Tensor, steps: int) -> Tensor:
        """Carry states from time 0 to time 1, one evaluation of the network per step.

        Args:
            network: predicts velocities.
            noise: (..., i, j) states of the prior.
            steps: in time, see `stops`.

        Raises:
            ValueError: fewer than one step.
        """
        state = noise
        for time, duration in self.stops(steps):
            moment = state.new_full(self.counted(state), time)
            state = self.step(state, network(state, moment), duration)
        return state
