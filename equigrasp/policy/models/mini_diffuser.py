"""Mini-Diffuser: the next keyframe from a cloud and a sentence, with a two-level training batch.

After "Mini Diffuser" (arXiv 2505.09430): the observation is encoded once, M noised positions per
observation are denoised beside each other, and rotation and gripper are read at the position.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from equigrasp.diffusion.batch import flatten_samples, repeat_conditions, sample_mean
from equigrasp.diffusion.modulation import TimeCode
from equigrasp.diffusion.schedules import Diffusion
from equigrasp.options import records_options
from equigrasp.policy.keyframes.policy_io import Actions, Observations
from equigrasp.policy.keyframes.rotation_bins import BINS
from equigrasp.policy.models.base import KeyframePolicy
from equigrasp.policy.nn.agreement import most_supported
from equigrasp.policy.nn.point_encoder import Context, PointEncoder
from equigrasp.policy.nn.position_reader import PositionMemory, PositionReader, head, summarise
from equigrasp.policy.nn.text import text_encoder
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.policy.nn.whitening import unwhiten, whiten

POSITION_NOISE = 0.01
"""Standard deviation (m) of the true position at which rotation and gripper are learned."""


class Encoded(NamedTuple):
    """A batch of observations, encoded once for both readers of positions.

    Attributes:
        denoising: for `MiniDiffuser.predict`, which runs for every sample and step.
        acting: for `MiniDiffuser.read_action`, which runs once at the chosen position.
    """

    denoising: PositionMemory
    acting: PositionMemory


@records_options(
    exclude=("words",),
    limits={
        "widths": (1, 1024),
        "channels": (1, 1024),
        "head_channels": (1, 1024),
        "patch": (1, 4096),
        "noise_steps": (1, 10_000),
        "table_top": (-10.0, 10.0),
    },
)
class MiniDiffuser(KeyframePolicy):
    """The policy.

    Args:
        words: what sentences are understood with, see `text_encoder`.
        widths: channels of the points at every scale, fine to coarse.
        channels: width of samples' and words' tokens.
        head_channels: of each attention head, everywhere.
        patch: points that attend to each other.
        schedule, noise_steps, prediction: of the positions' diffusion, see `Diffusion`. By default
            velocities are predicted: where a schedule ends at no signal, noise as target says
            nothing about the sample.
        table_top: height of the table, m.
    """

    name = "mini_diffuser"
    loss_weights: ClassVar[dict[str, float]] = {
        "position": 20.0,
        "rotation": 1.0,
        "gripper": 1.0,
    }
    noised = 3

    def __init__(
        self,
        words: Vocabulary | str | Path,
        *,
        widths: Sequence[int] = (72, 144, 192),
        channels: int = 96,
        head_channels: int = 24,
        patch: int = 128,
        schedule: str = "cosine",
        noise_steps: int = 100,
        prediction: str = "v_prediction",
        table_top: float = 0.75,
    ) -> None:
        super().__init__()
        self.diffusion = Diffusion(schedule, noise_steps, prediction)
        self.noise_steps = noise_steps
        heads = channels // head_channels
        self.text = text_encoder(words, channels, heads)
        self.state = nn.Sequential(nn.Linear(8, channels), nn.GELU(), nn.Linear(channels, channels))
        self.points = PointEncoder(
            channels, widths=widths, head_channels=head_channels, patch=patch, table_top=table_top
        )
        self.weigh = nn.Linear(channels, 1)
        coarse_to_fine = tuple(reversed(list(widths)))
        shape = {"channels": channels, "head_channels": head_channels}
        self.denoiser = PositionReader(coarse_to_fine, channels, **shape)
        self.actor = PositionReader(coarse_to_fine, channels, **shape)
        self.in_projection = nn.Linear(3, channels)
        self.time = TimeCode(channels)
        self.start = nn.Parameter(torch.zeros(channels))
        self.noise_head = head(channels, 3)
        self.action_head = head(channels, 3 * BINS + 1)

    def encode(self, seen: Observations) -> Encoded:
        """See `KeyframePolicy`: points at all scales and a summary of words and state."""
        words, mask = self.text(seen.sentences)
        state = seen.state.clone()
        state[:, :3] = whiten(state[:, :3])
        tokens = torch.cat([words, self.state(state).unsqueeze(1)], 1)
        mask = F.pad(mask, (0, 1), value=True)
        tip, context = seen.state[:, :3], Context(tokens, mask)
        scales = self.points(seen.xyz, seen.rgb, seen.mask, tip, context)
        summary = summarise(tokens, mask, self.weigh)
        return Encoded(
            self.denoiser.remember(scales, summary), self.actor.remember(scales, summary)
        )

    def predict(self, encoded: Encoded, noised: Tensor, step: Tensor) -> Tensor:
        """See `KeyframePolicy`: targets (B, M, 3) of the diffusion at whitened positions."""
        moment = self.time(step.to(noised.dtype) / self.noise_steps)
        tokens = self.in_projection(noised) + moment.taken(moment.rows)
        return self.noise_head(self.denoiser(encoded.denoising, tokens, unwhiten(noised), moment))

    def read_action(self, encoded: Encoded, position: Tensor) -> tuple[Tensor, Tensor]:
        """Rotation and gripper at positions.

        Args:
            encoded: B observations, see `encode`.
            position: (B, 3) metres in the world.

        Returns:
            logits of the rotation's bins (B, 3, `BINS`), and of an open gripper (B,).
        """
        tokens = (self.start + self.in_projection(whiten(position))).unsqueeze(1)
        out = self.action_head(self.actor(encoded.acting, tokens, position.unsqueeze(1)))
        return out[:, 0, :-1].unflatten(-1, (3, BINS)), out[:, 0, -1]

    def losses_at(
        self,
        encoded: Encoded,
        wanted: Actions,
        step: Tensor,
        noise: Tensor,
        generator: Generator,
    ) -> dict[str, Tensor]:
        """See `KeyframePolicy`: `position` (mean absolute error), `rotation`, `gripper`."""
        clean = repeat_conditions(whiten(wanted.position), step.shape[1])
        noised = self.diffusion.add_noise(clean, noise, step)
        target = self.diffusion.target(clean, noise, step)
        predicted = self.predict(encoded, noised, step)
        true = wanted.position
        shake = torch.randn(true.shape, generator=generator, dtype=true.dtype)
        shaken = true + POSITION_NOISE * shake.to(true.device)
        bins, opened = self.read_action(encoded, shaken)
        return {
            "position": sample_mean((predicted - target).abs()),
            "rotation": F.cross_entropy(flatten_samples(bins), wanted.bins.flatten()),
            "gripper": F.binary_cross_entropy_with_logits(opened, wanted.open.to(opened)),
        }

    def choose(self, encoded: Encoded, start: Tensor, steps: int) -> Actions:
        """See `KeyframePolicy`: positions are denoised, the rest is read where they agree."""
        sampled = self.diffusion.sample(lambda x, k: self.predict(encoded, x, k), start, steps)
        position = most_supported(unwhiten(sampled))
        bins, opened = self.read_action(encoded, position)
        return Actions(position, bins.argmax(-1), (opened > 0).to(opened))
