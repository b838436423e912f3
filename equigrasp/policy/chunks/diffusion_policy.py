"""Diffusion Policy: the next actions by denoising, with a two-level training batch.

After "Diffusion Policy" (arXiv 2303.04137): the last two observations condition the denoising of 16
actions, of which 8 are played before looking again. As in "Mini Diffuser" (arXiv 2505.09430) an
observation is encoded once for M noised chunks beside each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from equigrasp.diffusion.batch import repeat_conditions, sample_mean
from equigrasp.diffusion.modulation import TimeCode
from equigrasp.diffusion.schedules import Diffusion
from equigrasp.diffusion.times import sample_steps
from equigrasp.options import records_options
from equigrasp.policy.chunks.chunk_io import ACTION, SEES, Observed, check_observed
from equigrasp.policy.chunks.encoders import ImageEncoder, StateEncoder
from equigrasp.policy.chunks.mlp import ChunkMLP
from equigrasp.policy.chunks.transformer import ChunkTransformer
from equigrasp.policy.chunks.unet import ChunkUNet

DENOISERS = ("unet", "transformer", "mlp")


@records_options(
    limits={
        "horizon": (1, 1024),
        "observed": (1, 64),
        "executed": (1, 1024),
        "channels": (8, 4096),
        "widths": (8, 4096),
        "layers": (1, 64),
        "heads": (1, 64),
        "hidden": (8, 8192),
        "image_widths": (8, 2048),
        "crop": (8, 1024),
        "noise_steps": (1, 10_000),
    }
)
class DiffusionPolicy(nn.Module):
    """The policy.

    Args:
        sees: "state" (agent and corners of the T) or "image" (a picture, and the agent).
        denoiser: "unet", "transformer" or "mlp".
        horizon: L, actions denoised together, the first of them beside the first observation.
        observed: O, observations that are looked at.
        executed: actions played before looking again.
        channels: of an observation's tokens, and of the transformer.
        widths: of the U-Net's levels.
        layers, heads: of the transformer; `layers` of the MLP too.
        hidden: width of the MLP.
        image_widths: of the stages of the encoder of pictures.
        crop: side of what it looks at; drawn anywhere in training, the middle otherwise.
        schedule, noise_steps, prediction: of the diffusion, see `Diffusion`. The published policy
            predicts noise and cuts samples off at 1; velocities need no cutting, which likelihoods
            of denoising steps could not stand.

    Raises:
        ValueError: an unknown name, or more actions to be played than there are.

    Attributes:
        options: the arguments, JSON-able.
        card: JSON card of a policy that was loaded.
    """

    name: ClassVar[str] = "diffusion_policy"
    build: ClassVar[int] = 1
    options: dict[str, Any]
    card: dict[str, Any]

    def __init__(
        self,
        *,
        sees: str = "state",
        denoiser: str = "unet",
        horizon: int = 16,
        observed: int = 2,
        executed: int = 8,
        channels: int = 128,
        widths: Sequence[int] = (64, 128, 256),
        layers: int = 4,
        heads: int = 4,
        hidden: int = 512,
        image_widths: Sequence[int] = (16, 32, 64, 128),
        crop: int = 84,
        schedule: str = "cosine",
        noise_steps: int = 100,
        prediction: str = "v_prediction",
    ) -> None:
        super().__init__()
        for value, known, what in ((sees, SEES, "sees"), (denoiser, DENOISERS, "denoiser")):
            if value not in known:
                raise ValueError(f"{what} is {value!r}; choose one of {', '.join(known)}")
        if observed - 1 + executed > horizon:
            raise ValueError(
                f"a chunk of horizon={horizon} begins at the first of observed={observed} and "
                f"holds no executed={executed} actions after it; raise horizon"
            )
        self.diffusion = Diffusion(schedule, noise_steps, prediction)
        self.sees, self.horizon, self.observed, self.executed = sees, horizon, observed, executed
        self.noise_steps, self.crop = noise_steps, crop
        self.encoder: nn.Module = StateEncoder(channels)
        if sees == "image":
            self.encoder = ImageEncoder(channels, image_widths, crop)
        self.time = TimeCode(channels)
        self.denoiser = {
            "unet": lambda: ChunkUNet(observed, channels, widths, horizon),
            "transformer": lambda: ChunkTransformer(observed, channels, layers, heads, horizon),
            "mlp": lambda: ChunkMLP(observed, channels, hidden, layers, horizon),
        }[denoiser]()

    @property
    def config(self) -> dict[str, Any]:
        """What a saved policy is made again from: `name`, `build`, options; JSON-able."""
        return {"name": self.name, "build": self.build, **self.options}

    def tokens(self, seen: Observed) -> Tensor:
        """Encoded observations (B, O, channels); runs once each, whatever the samples.

        Raises:
            ValueError: observations of another shape.
        """
        check_observed(seen, self.sees, self.observed, self.crop)
        return self.encoder(seen)

    def encode(self, seen: Observed) -> Any:
        """Everything that is computed once per observation, see `predict`."""
        return self.denoiser.remember(self.tokens(seen))

    def predict(self, encoded: Any, noised: Tensor, step: Tensor) -> Tensor:
        """What the network says of noised chunks, each by itself.

        Args:
            encoded: B observations, see `encode`.
            noised: (B, M, L, 2) chunks with noise.
            step: (B, M) of the diffusion.

        Returns:
            (B, M, L, 2), see `Diffusion.target`.
        """
        return self.denoiser(encoded, noised, self.time(step.to(noised.dtype) / self.noise_steps))

    def loss(self, seen: Observed, wanted: Tensor, samples: int, generator: Generator) -> Tensor:
        """Mean squared error of what is predicted at M noised chunks of every observation.

        Args:
            seen: B observations.
            wanted: (B, L, 2) demonstrated chunks, normalised.
            samples: M.
            generator: source of steps and noise, on the CPU.

        Raises:
            ValueError: fewer than one sample, chunks of another shape, or observations.
        """
        shape = (len(seen.state), self.horizon, ACTION)
        if samples < 1 or tuple(wanted.shape) != shape:
            raise ValueError(
                f"{samples} samples of chunks {tuple(wanted.shape)}; give at least one sample, "
                f"and chunks of shape {shape}"
            )
        step = sample_steps((len(wanted), samples), self.noise_steps, generator, wanted.device)
        noise = self.noise(len(wanted), samples, generator).to(wanted)
        return self.loss_at(self.encode(seen), wanted, step, noise)

    def loss_at(self, encoded: Any, wanted: Tensor, step: Tensor, noise: Tensor) -> Tensor:
        """The loss at given steps (B, M) and noise (B, M, L, 2), see `loss`."""
        clean = repeat_conditions(wanted, step.shape[1])
        noised = self.diffusion.add_noise(clean, noise, step)
        target = self.diffusion.target(clean, noise, step)
        return sample_mean((self.predict(encoded, noised, step) - target).square())

    @torch.no_grad()
    def act(
        self,
        seen: Observed,
        generators: Sequence[Generator],
        *,
        steps: int = 10,
        sampler: str = "ddim",
    ) -> Tensor:
        """Actions to be played, (B, executed, 2) normalised.

        Args:
            seen: B observations.
            generators: of the noise of each observation, on the CPU, so that it does not depend on
                the company in which it is denoised.
            steps: evaluations of the denoiser.
            sampler: "ddim" or "ddpm".

        Raises:
            ValueError: see `Diffusion.sample`; another number of generators.
        """
        if len(generators) != len(seen.state):
            raise ValueError(f"{len(generators)} generators for {len(seen.state)} observations")
        draws = 1 if sampler == "ddim" else steps
        noise = torch.cat([self.noise(1, draws, each) for each in generators]).to(seen.state)
        encoded = self.encode(seen)
        chunks = self.diffusion.sample(
            lambda x, k: self.predict(encoded, x, k),
            noise[:, :1],
            steps,
            sampler=sampler,
            added=None if sampler == "ddim" else [noise[:, i, None] for i in range(1, steps)],
        )
        return self.played(chunks[:, 0])

    def noise(self, count: int, samples: int, generator: Generator) -> Tensor:
        """Standard normal (count, samples, L, 2), on the CPU."""
        return torch.randn((count, samples, self.horizon, ACTION), generator=generator)

    def played(self, chunks: Tensor) -> Tensor:
        """The part (..., executed, 2) of chunks (..., L, 2) that is played, within the square."""
        first = self.observed - 1
        return chunks[..., first : first + self.executed, :].clamp(-1, 1)
