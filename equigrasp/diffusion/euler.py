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

    def carry(self, network: Network, noise: Tensor, steps: int) -> Tensor:
        """Carry states from time 0 to time 1, one evaluation of the network per step.

        Args:
            network: predicts velocities.
            noise: (..., i, j) states of the prior.
            steps: equal steps in time.

        Raises:
            ValueError: fewer than one step.
        """
        if steps < 1:
            raise ValueError(f"steps is {steps}; an integration takes at least one")
        duration, state = 1.0 / steps, noise
        for index in range(steps):
            time = state.new_full(state.shape[:-2], index * duration)
            state = self.step(state, network(state, time), duration)
        return state
