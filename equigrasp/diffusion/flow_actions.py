"""Flow matching of actions, in the place of a diffusion: straight lines from noise to the sample.

After flow matching (Lipman et al., arXiv 2210.02747) and rectified flow (arXiv 2209.03003). It has
the interface of `Diffusion`: times are counted in steps k, 0 the cleanest, on the grid of which it
is trained and sampled alike, so that samples share the codes of their times.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from equigrasp.diffusion.flow_euclidean import StraightPath
from equigrasp.diffusion.schedules import BETAS, Denoiser, Diffusion

FLOW = "flow"
"""Name of the flow among the schedules."""


@dataclass(frozen=True)
class ActionFlow(StraightPath):
    """Samples (B, M, ...) and standard normal noise of the same shape; velocities are predicted.

    At step k of K the share of noise is (k + 1) / K.

    Attributes:
        steps: K.

    Raises:
        ValueError: no step.
    """

    steps: int = 100

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps is {self.steps}; a flow has at least one")

    def add_noise(self, sample: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """Samples (B, M, ...) mixed with noise of the same shape at steps k (B, M)."""
        time = 1 - (step.to(sample) + 1) / self.steps
        return self.interpolate(noise, sample, time)

    def target(self, sample: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """What the network is to predict there: the velocity from noise to sample."""
        return self.velocity(noise, sample)

    def sample(self, denoiser: Denoiser, start: Tensor, steps: int = 10) -> Tensor:
        """Carry standard normal `start` (B, M, ...) to samples.

        Args:
            denoiser: the network.
            start: noise.
            steps: evaluations of the network, at most K.

        Raises:
            ValueError: no step, or more than K.
        """
        if not 1 <= steps <= self.steps:
            raise ValueError(f"steps is {steps}; the flow has 1 to {self.steps}")
        return self.carry(lambda state, time: denoiser(state, self._step(time)), start, steps)

    def stops(self, steps: int) -> list[tuple[float, float]]:
        """See `EulerPath`: as even as the grid of training allows."""
        levels = [round(self.steps * (1 - index / steps)) for index in range(steps + 1)]
        return [
            (1 - level / self.steps, (level - later) / self.steps)
            for level, later in zip(levels, levels[1:], strict=False)
        ]

    @staticmethod
    def counted(state: Tensor) -> torch.Size:
        """See `EulerPath`: (B, M)."""
        return state.shape[:2]

    def _step(self, time: Tensor) -> Tensor:
        return ((1 - time) * self.steps).round().long() - 1


def action_noise(schedule: str, steps: int, prediction: str) -> Diffusion | ActionFlow:
    """How actions are noised and denoised.

    Args:
        schedule: of a diffusion, by its name in `BETAS`; or "flow".
        steps: K of either.
        prediction: what the network predicts, see `Diffusion`; of a flow "v_prediction" alone, here
            the velocity along its line.

    Raises:
        ValueError: an unknown schedule; another prediction of a flow; see `Diffusion`.
    """
    if schedule == FLOW:
        if prediction != "v_prediction":
            raise ValueError(
                f"prediction is {prediction!r}; a flow predicts velocities: prediction=v_prediction"
            )
        return ActionFlow(steps)
    if schedule not in BETAS:
        raise ValueError(
            f"schedule is {schedule!r}; choose one of {', '.join([*sorted(BETAS), FLOW])}"
        )
    return Diffusion(schedule, steps, prediction)
