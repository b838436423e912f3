"""The published rotation flow: six numbers moved along straight lines (arXiv 2507.18847).

A state is the first two rows of a rotation, (..., 2, 3), whose columns are horizontal vectors; it
leaves the rotations on the way and is projected at the end. Unlike in the published code, the prior
is the same Gaussian in training and in sampling.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from equigrasp.diffusion.euler import EulerPath
from equigrasp.geometry.rotations import polar_rows


class StraightPath(EulerPath):
    """States move along straight lines; velocities have their shape."""

    @staticmethod
    def velocity(state: Tensor, target: Tensor, time: Tensor | None = None) -> Tensor:
        """Constant velocity of the straight path, at any time."""
        return target - state

    @classmethod
    def interpolate(cls, state: Tensor, target: Tensor, time: Tensor) -> Tensor:
        """Point of the straight path at `time`, one for each state."""
        return cls.step(state, target - state, time)

    @staticmethod
    def step(state: Tensor, velocity: Tensor, duration: Tensor | float) -> Tensor:
        """Follow a velocity for a while, the same or a time for each state."""
        if isinstance(duration, Tensor):
            duration = duration[(...,) + (None,) * (state.dim() - duration.dim())]
        return state + duration * velocity


class RowsFlow(StraightPath):
    """States (..., 2, 3) and velocities of the same shape."""

    @staticmethod
    def prior(
        shape: tuple[int, ...], generator: Generator, dtype: torch.dtype | None = None
    ) -> Tensor:
        """Standard normal rows (*shape, 2, 3)."""
        return torch.randn(*shape, 2, 3, generator=generator, dtype=dtype)

    @staticmethod
    def pair(state: Tensor, rotation: Tensor) -> Tensor:
        """Rows (..., 2, 3) of the nearer of R and R Rz(pi), R (..., 3, 3)."""
        rows = rotation[..., :2, :]
        other = rows * rows.new_tensor([-1.0, -1.0, 1.0])
        # both have the same norm, so the nearer one has the greater product
        nearer = (state * rows).sum((-1, -2)) >= (state * other).sum((-1, -2))
        return torch.where(nearer[..., None, None], rows, other)

    @staticmethod
    def to_rotation(state: Tensor) -> Tensor:
        """Nearest rotations (..., 3, 3), by the polar decomposition."""
        return polar_rows(state)
