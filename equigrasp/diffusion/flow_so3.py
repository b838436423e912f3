"""Flow matching on SO(3): uniform prior, geodesic paths, the nearer of the two equal grasps.

Velocities are rotation vectors in the workspace frame: dR/dt = [w]x R. Turning R and the target by
g from the left turns w by g, which is what an equivariant network predicts. After flow matching on
manifolds (Chen and Lipman, arXiv 2302.03660) with the symmetric pairing of arXiv 2507.18847.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from equigrasp.diffusion.euler import EulerPath
from equigrasp.geometry.rotations import random_rotations, rotation_exp
from equigrasp.optional import require


class SO3Flow(EulerPath):
    """States are rotations (..., 3, 3), velocities (..., 3) in rad per unit of time."""

    @staticmethod
    def prior(
        shape: tuple[int, ...], generator: Generator, dtype: torch.dtype | None = None
    ) -> Tensor:
        """Uniformly distributed rotations (*shape, 3, 3); the distribution no turn changes."""
        return random_rotations(shape, generator, dtype or torch.get_default_dtype())

    @staticmethod
    def pair(state: Tensor, rotation: Tensor) -> Tensor:
        """The nearer of R and R Rz(pi), (..., 3, 3), to a state of the prior."""
        other = rotation * rotation.new_tensor([-1.0, -1.0, 1.0])
        # trace(S^T R) falls with the angle between S and R
        nearer = (state * rotation).sum((-1, -2)) >= (state * other).sum((-1, -2))
        return torch.where(nearer[..., None, None], rotation, other)

    @staticmethod
    def velocity(state: Tensor, target: Tensor, time: Tensor | None = None) -> Tensor:
        """Constant velocity (..., 3) of the geodesic from `state` (time 0) to `target` (time 1), at
        any time."""
        return rotation_log(target @ state.transpose(-1, -2))

    @classmethod
    def interpolate(cls, state: Tensor, target: Tensor, time: Tensor) -> Tensor:
        """Point (..., 3, 3) of the geodesic at `time` (...)."""
        return cls.step(state, cls.velocity(state, target), time)

    @staticmethod
    def step(state: Tensor, velocity: Tensor, duration: Tensor | float) -> Tensor:
        """Follow a velocity for a while: exp(duration * [w]x) R."""
        if isinstance(duration, Tensor):
            duration = duration.unsqueeze(-1)
        return rotation_exp(velocity * duration) @ state

    @staticmethod
    def to_rotation(state: Tensor) -> Tensor:
        """Rotations (..., 3, 3) of states."""
        return state


def rotation_log(rotation: Tensor) -> Tensor:
    """Rotation vectors (..., 3) of length at most pi; sound near 0 and near pi."""
    return require("roma", "the logarithm of rotations").rotmat_to_rotvec(rotation)
