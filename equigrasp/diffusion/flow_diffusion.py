"""Denoising diffusion of the first two rows of a rotation, beside the flows.

The noise of the six numbers is isotropic, so turning noise and rotation turns every state between
them: with a network that is equivariant, sampling is, step by step. After DDPM (arXiv 2006.11239)
and DDIM (arXiv 2010.02502); the network predicts velocities (arXiv 2202.00512), since the schedule
ends at no signal, where the noise alone says nothing about the rotation.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from equigrasp.diffusion.euler import Network
from equigrasp.diffusion.flow_euclidean import RowsFlow
from equigrasp.diffusion.schedules import SAMPLERS, Diffusion
from equigrasp.diffusion.times import sample_steps


class RowsDiffusion(RowsFlow):
    """States (..., 2, 3); times are steps of the diffusion as a share of all, 0 the cleanest.

    Args:
        sampler: "ddim" (adds nothing on the way) or "ddpm".
        diffusion: schedule and what the network predicts.

    Raises:
        ValueError: unknown sampler.
    """

    def __init__(self, sampler: str = "ddim", diffusion: Diffusion | None = None) -> None:
        if sampler not in SAMPLERS:
            raise ValueError(f"sampler is {sampler!r}; choose one of {', '.join(SAMPLERS)}")
        self.sampler = sampler
        self.diffusion = diffusion or Diffusion("cosine", 100, "v_prediction")

    def times(
        self, shape: tuple[int, int], generator: Generator, dtype: torch.dtype | None = None
    ) -> Tensor:
        """Times (P, M) of training: all steps alike."""
        steps = sample_steps(shape, self.diffusion.steps, generator)
        return steps.to(dtype or torch.get_default_dtype()) / self.diffusion.steps

    def draws(self, steps: int) -> tuple[int, ...]:
        """One axis with "ddpm": the state to start from, and what is added after each step but the
        last. Noise that holds all of it can be turned with the scene."""
        return (steps,) if self.sampler == "ddpm" else ()

    def interpolate(self, state: Tensor, target: Tensor, time: Tensor) -> Tensor:
        """Rows mixed with noise `state` (P, M, 2, 3) at times (P, M)."""
        return self.diffusion.add_noise(target, state, self._step(time))

    def velocity(self, state: Tensor, target: Tensor, time: Tensor | None = None) -> Tensor:
        """What the network is to predict there."""
        if time is None:
            raise ValueError("what a diffusion predicts depends on the time; give it")
        return self.diffusion.target(target, state, self._step(time))

    def carry(self, network: Network, noise: Tensor, steps: int) -> Tensor:
        """Denoise (P, M, 2, 3), or (P, M, steps, 2, 3) with "ddpm", see `draws`.

        Raises:
            ValueError: no steps, or more than the schedule has.
        """
        total, added = self.diffusion.steps, None
        if self.sampler == "ddpm":
            noise, added = noise[:, :, 0], noise[:, :, 1:].unbind(2)
        return self.diffusion.sample(
            lambda state, step: network(state, step.to(state) / total),
            noise,
            steps,
            sampler=self.sampler,
            added=added,
        )

    def _step(self, time: Tensor) -> Tensor:
        return (time * self.diffusion.steps).round().long()
