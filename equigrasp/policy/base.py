"""What every keyframe policy offers: losses of a two-level batch, and the next keyframe."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Generator, Tensor, nn

from equigrasp.diffusion.times import sample_noise, sample_steps
from equigrasp.policy.policy_io import Actions, Observations


class KeyframePolicy(nn.Module, ABC):
    """A network that is trained on keyframes and chooses the next one.

    Attributes:
        name: of the kind; the module that holds it is called the same.
        loss_weights: of the losses by name, as published.
        config: `name` and the constructor's arguments, JSON-able.
    """

    name: ClassVar[str]
    loss_weights: ClassVar[dict[str, float]]
    config: dict[str, Any]

    @abstractmethod
    def losses(
        self,
        seen: Observations,
        wanted: Actions,
        samples: int = 64,
        generator: Generator | None = None,
    ) -> dict[str, Tensor]:
        """Losses of a step, by the names in `loss_weights`; observations are encoded once.

        Args:
            seen, wanted: B observations and their next keyframes.
            samples: M, noised actions per observation.
            generator: source of times and noise; None takes torch's own.
        """

    @abstractmethod
    def act(
        self,
        seen: Observations,
        *,
        candidates: int = 16,
        steps: int = 10,
        generator: Generator | None = None,
    ) -> Actions:
        """The keyframe that most of several denoised ones agree on.

        Args:
            seen: B observations.
            candidates: drawn for each observation.
            steps: evaluations of the denoiser (DDIM).
            generator: source of the noise; the same state gives the same answer.
        """


def draw_noise(
    wanted: Actions, samples: int, size: int, steps: int, generator: Generator | None
) -> tuple[Tensor, Tensor]:
    """Steps (B, M) and standard normal noise (B, M, size) for M samples of every action.

    Args:
        wanted: B actions, whose type and device the noise has.
        samples: M.
        size: numbers of what is noised.
        steps: K of the diffusion; every sample of an action has its own part of them.
        generator: source of the draws; None takes torch's own.
    """
    like = wanted.position
    shape = (len(like), samples)
    step = sample_steps(shape, steps, "stratified", generator, like.device)
    kind = {"dtype": like.dtype, "device": like.device}
    return step, sample_noise((*shape, size), "gaussian", generator, **kind)
