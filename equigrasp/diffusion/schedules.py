"""Noise schedules and samplers of denoising diffusion, through `diffusers`.

Shapes are two-level: samples (B, M, ...), steps k (B, M). `diffusers` is imported on first use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from equigrasp.diffusion.batch import flatten_samples, unflatten_samples
from equigrasp.optional import require

BETAS = {
    "cosine": {"beta_schedule": "squaredcos_cap_v2"},
    "linear": {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02},
    "scaled_linear": {"beta_schedule": "scaled_linear", "beta_start": 1e-4, "beta_end": 0.02},
    "zero_snr": {
        "beta_schedule": "scaled_linear",
        "beta_start": 1e-4,
        "beta_end": 0.02,
        "rescale_betas_zero_snr": True,
    },
}
"""Schedules by name; "scaled_linear" is that of the published policies, which end at a signal of
0.7 instead of none, "zero_snr" the same rescaled to end at none (arXiv 2305.08891)."""

PREDICTIONS = ("epsilon", "v_prediction", "sample")
SAMPLERS = ("ddim", "ddpm")

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""What is predicted at samples (B, M, ...) and steps k (B, M)."""
JointDenoiser = Callable[[list[Tensor], Tensor], Sequence[Tensor]]
"""The same of several variables at once, in their order."""


@dataclass(frozen=True)
class Diffusion:
    """A schedule with its sampler.

    Attributes:
        schedule: name from `BETAS`.
        steps: K, training steps.
        prediction: what the network predicts: "epsilon", "v_prediction" or "sample".

    Raises:
        ValueError: unknown names; noise prediction under "zero_snr", where the last step holds no
            trace of the sample.
    """

    schedule: str = "cosine"
    steps: int = 100
    prediction: str = "epsilon"

    def __post_init__(self) -> None:
        if self.schedule not in BETAS or self.prediction not in PREDICTIONS:
            raise ValueError(
                f"schedule={self.schedule!r}, prediction={self.prediction!r}; choose from "
                f"{sorted(BETAS)} and {PREDICTIONS}"
            )
        if self.steps < 1:
            raise ValueError(f"steps is {self.steps}; a diffusion has at least one")
        if self.schedule == "zero_snr" and self.prediction == "epsilon":
            raise ValueError(
                "under zero_snr the noisiest sample is its noise, and predicting it says nothing; "
                "use prediction='v_prediction' or 'sample'"
            )

    def alphas(self) -> Tensor:
        """Share of signal power at every step, (K,)."""
        return self._scheduler("ddim").alphas_cumprod

    def add_noise(self, sample: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """Samples (B, M, ...) mixed with noise of the same shape at steps k (B, M)."""
        alpha = self._at(step, sample)
        return alpha.sqrt() * sample + (1 - alpha).sqrt() * noise

    def target(self, sample: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """What the network is to predict there, by `prediction`."""
        if self.prediction == "epsilon":
            return noise
        if self.prediction == "sample":
            return sample
        alpha = self._at(step, sample)
        return alpha.sqrt() * noise - (1 - alpha).sqrt() * sample

    def sample(
        self,
        denoiser: Denoiser,
        start: Tensor,
        steps: int = 10,
        *,
        sampler: str = "ddim",
        generator: Generator | None = None,
        added: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """Denoise standard normal `start` (B, M, ...); deterministic with "ddim".

        Args:
            denoiser: the network.
            start: noise.
            steps: evaluations of the network, at most K.
            sampler: "ddim" or "ddpm".
            generator: source of the noise that "ddpm" adds, which has to be given then.
            added: that noise itself, (B, M, ...) after every step but the last, in its place.

        Raises:
            ValueError: unknown sampler, more steps than the schedule has, or "ddpm" without a
                generator or noise.
        """
        return sample_together(
            [self],
            lambda states, step: [denoiser(states[0], step)],
            [start],
            steps,
            sampler=sampler,
            generator=generator,
            added=None if added is None else [[noise] for noise in added],
        )[0]

    def _at(self, step: Tensor, like: Tensor) -> Tensor:
        alpha = self.alphas().to(like)[step.to(like.device)]
        return alpha[(...,) + (None,) * (like.dim() - step.dim())]

    def _scheduler(self, sampler: str) -> Any:
        diffusers = require("diffusers", "sampling with DDIM or DDPM")
        kind = diffusers.DDIMScheduler if sampler == "ddim" else diffusers.DDPMScheduler
        return kind(
            num_train_timesteps=self.steps,
            prediction_type=self.prediction,
            clip_sample=False,
            # the last training step has to be among those sampled, or sampling starts from a noise
            # level that was never the prior's
            timestep_spacing="trailing",
            **BETAS[self.schedule],
        )


def sample_together(
    diffusions: Sequence[Diffusion],
    denoiser: JointDenoiser,
    starts: Sequence[Tensor],
    steps: int = 10,
    *,
    sampler: str = "ddim",
    generator: Generator | None = None,
    added: Sequence[Sequence[Tensor]] | None = None,
) -> list[Tensor]:
    """Denoise several variables at common steps, each by a schedule of its own.

    Args:
        diffusions: one for each variable, with the same number of training steps.
        denoiser: the network, which sees all variables.
        starts: standard normal noise (B, M, ...) of each variable.
        steps, sampler, generator: as for `Diffusion.sample`.
        added: noise of every variable after each step but the last, as for `Diffusion.sample`.

    Raises:
        ValueError: unknown sampler, "ddpm" without a generator or noise, noise of another number of
            steps, more steps than the schedules have,
            or schedules of different lengths.
    """
    lengths = sorted({diffusion.steps for diffusion in diffusions})
    if len(lengths) != 1:
        raise ValueError(f"the schedules have {lengths} steps; give all the same number")
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler is {sampler!r}; choose one of {', '.join(SAMPLERS)}")
    if sampler == "ddpm" and generator is None and added is None:
        raise ValueError("the ddpm sampler adds noise at every step; give a generator, or use ddim")
    if added is not None and len(added) != steps - 1:
        raise ValueError(f"noise of {len(added)} steps for {steps}; the last one adds none")
    if not 1 <= steps <= lengths[0]:
        raise ValueError(f"steps is {steps}; the schedule has 1 to {lengths[0]}")
    states = list(starts)
    # DDPM is DDIM with eta = 1, and there the noise can be given
    kind = "ddim" if added is not None else sampler
    schedulers = [diffusion._scheduler(kind) for diffusion in diffusions]
    for scheduler in schedulers:
        scheduler.set_timesteps(steps, device=states[0].device)
    for index, k in enumerate(schedulers[0].timesteps):
        step = torch.full(states[0].shape[:2], int(k), device=states[0].device)
        predicted = denoiser(states, step)
        noise: Sequence[Tensor | None] = [None] * len(states)
        if added is not None and index + 1 < steps:
            noise = added[index]
        states = [
            _moved(*parts, k, generator)
            for parts in zip(schedulers, predicted, states, noise, strict=True)
        ]
    return states


def _moved(
    scheduler: Any,
    predicted: Tensor,
    state: Tensor,
    noise: Tensor | None,
    k: Tensor,
    generator: Generator | None,
) -> Tensor:
    """A state (B, M, ...) one step further, with noise of the generator, or as given."""
    how: dict[str, Any] = {"generator": generator}
    if noise is not None:
        how = {"eta": 1.0, "variance_noise": flatten_samples(noise)}
    moved = scheduler.step(flatten_samples(predicted), k, flatten_samples(state), **how)
    return unflatten_samples(moved.prev_sample, state.shape[0])
