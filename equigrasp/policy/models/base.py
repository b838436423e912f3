"""What every keyframe policy does: encode once, noise and denoise many samples, choose one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from equigrasp.diffusion.times import sample_steps
from equigrasp.policy.keyframes.policy_io import Actions, Observations, check_observations


class KeyframePolicy(nn.Module, ABC):
    """A network that is trained on keyframes and chooses the next one.

    The first argument of a subclass's constructor is what sentences are understood with, see
    `equigrasp.policy.nn.text.text_encoder`. All others are options, which `records_options` keeps.

    Class attributes:
        name: of the kind, as in cards of saved policies.
        build: version of what saved weights mean. Weights of another build are refused, so a change
            to the arithmetic behind the same options has to raise it.
        loss_weights: of the losses by name, as published. Options may give an instance its own.
        noised: how many numbers of a keyframe are noised and denoised together; likewise.
        free_options: whose change leaves weights what they are; training that starts from a saved
            policy may choose them anew.

    Attributes:
        options: the constructor's arguments but the first, JSON-able.
        text: module of sentences, see `text_encoder`.
        noise_steps: K of the diffusion.
        card: JSON card of a policy that was loaded.
    """

    name: ClassVar[str]
    build: ClassVar[int] = 2
    loss_weights: dict[str, float]
    noised: int
    free_options: ClassVar[frozenset[str]] = frozenset()
    options: dict[str, Any]
    text: nn.Module
    noise_steps: int
    card: dict[str, Any]

    @property
    def config(self) -> dict[str, Any]:
        """What a saved policy is made again from: `name`, `build`, options, `text`; JSON-able."""
        own = {"name": self.name, "build": self.build}
        return {**own, **self.options, "text": self.text.description}

    @abstractmethod
    def encode(self, seen: Observations) -> Any:
        """Everything that is computed once per observation, whatever the number of samples."""

    @abstractmethod
    def predict(self, encoded: Any, noised: Tensor, step: Tensor) -> Tensor | tuple[Tensor, ...]:
        """What the network says of noised samples, each by itself.

        Args:
            encoded: B observations, see `encode`.
            noised: (B, M, `noised`) samples with noise.
            step: (B, M) of the diffusion.

        Returns:
            tensors (B, M, ...).
        """

    @abstractmethod
    def losses_at(
        self,
        encoded: Any,
        wanted: Actions,
        step: Tensor,
        noise: Tensor,
        generator: Generator,
    ) -> dict[str, Tensor]:
        """Losses of noised samples, by the names in `loss_weights`.

        Args:
            encoded: B observations, see `encode`.
            wanted: their next keyframes.
            step: (B, M) of the diffusion.
            noise: (B, M, `noised`), standard normal.
            generator: source of whatever else is random.

        Returns:
            scalars.
        """

    @abstractmethod
    def choose(self, encoded: Any, start: Tensor, steps: int) -> Actions:
        """The keyframe that most candidates agree on.

        Args:
            encoded: B observations, see `encode`.
            start: (B, S, `noised`) standard normal, what S candidates are denoised from.
            steps: evaluations of the denoiser (DDIM).
        """

    def drawn(self, encoded: Any, start: Tensor, steps: int) -> Actions:
        """Every candidate as a keyframe, parts (B, S, ...): what `choose` says of it alone.

        Args:
            encoded, start, steps: as for `choose`.
        """
        alone = [self.choose(encoded, one, steps) for one in start.split(1, 1)]
        return Actions(*(torch.stack(parts, 1) for parts in zip(*alone, strict=True)))

    def losses(
        self,
        seen: Observations,
        wanted: Actions,
        samples: int,
        generator: Generator,
    ) -> dict[str, Tensor]:
        """Losses of a training step, by the names in `loss_weights`.

        Args:
            seen, wanted: B observations and their next keyframes.
            samples: M, noised actions per observation.
            generator: source of times and noise, on the CPU.

        Raises:
            ValueError: fewer than one sample, observations whose parts do not belong together, or
                another number of keyframes.
        """
        check_observations(seen)
        like = wanted.position
        if samples < 1 or len(like) != len(seen.xyz):
            raise ValueError(
                f"{samples} samples of {len(like)} keyframes for {len(seen.xyz)} observations; "
                "give at least one sample, and a keyframe for each observation"
            )
        shape = (len(like), samples)
        step = sample_steps(shape, self.noise_steps, generator, like.device)
        noise = torch.randn((*shape, self.noised), generator=generator, dtype=like.dtype)
        return self.losses_at(self.encode(seen), wanted, step, noise.to(like.device), generator)

    @torch.no_grad()
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
            candidates: S, sampled for each observation.
            steps: evaluations of the denoiser (DDIM).
            generator: source of the noise, on the CPU; None stands for one seeded with 0.

        Raises:
            ValueError: no candidate, more steps than the diffusion has or none, or observations
                whose parts do not belong together.
        """
        start = self._start(seen, candidates, generator)
        return self.choose(self.encode(seen), start, steps)

    @torch.no_grad()
    def draw(
        self,
        seen: Observations,
        count: int = 16,
        *,
        steps: int = 10,
        generator: Generator | None = None,
    ) -> Actions:
        """Several keyframes, each of which might be next; `act` takes the same draws and decides.

        Where a scene has several right answers, they are among them in the shares of the
        demonstrations.

        Args:
            seen: B observations.
            count: S, drawn for each of them.
            steps, generator: as for `act`.

        Returns:
            parts (B, S, ...).

        Raises:
            ValueError: as for `act`.
        """
        start = self._start(seen, count, generator)
        return self.drawn(self.encode(seen), start, steps)

    def _start(self, seen: Observations, candidates: int, generator: Generator | None) -> Tensor:
        """Noise (B, S, `noised`) that candidates of observations are denoised from."""
        check_observations(seen)
        if candidates < 1:
            raise ValueError(f"candidates is {candidates}; sample at least one")
        shape = (len(seen.xyz), candidates, self.noised)
        generator = generator or Generator().manual_seed(0)
        start = torch.randn(shape, generator=generator, dtype=seen.xyz.dtype)
        return start.to(seen.xyz.device)
