"""Mini-Diffuser: the next keyframe from a cloud and a sentence, with a two-level training batch.

After "Mini Diffuser" (arXiv 2505.09430): the observation is encoded once, M noised positions per
observation are denoised beside each other, and rotation and gripper are read at the position. What
its parts bring can be seen without them: options `rope`, `local_query` and `decoupled_head`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from equigrasp.diffusion.batch import repeat_conditions, sample_mean
from equigrasp.diffusion.flow_actions import action_noise
from equigrasp.diffusion.modulation import TimeCode
from equigrasp.options import records_options
from equigrasp.policy.keyframes.policy_io import Actions, Observations
from equigrasp.policy.keyframes.rotation_bins import BINS
from equigrasp.policy.models.base import KeyframePolicy
from equigrasp.policy.models.whole_pose import (
    LOSS_WEIGHTS,
    POSE,
    actions_at,
    agreed_pose,
    pose_losses,
    pose_of,
)
from equigrasp.policy.nn.agreement import most_supported
from equigrasp.policy.nn.between_bins import bin_loss, read_bins
from equigrasp.policy.nn.past_keyframes import PastKeyframes
from equigrasp.policy.nn.point_encoder import Context, PointEncoder
from equigrasp.policy.nn.pose_denoiser import PoseAnswer
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
        acting: for `MiniDiffuser.read_action`, which runs once at the chosen position; None where
            heads are coupled.
    """

    denoising: PositionMemory
    acting: PositionMemory | None


@records_options(
    exclude=("words",),
    limits={
        "widths": (1, 1024),
        "channels": (1, 1024),
        "head_channels": (1, 1024),
        "patch": (1, 4096),
        "noise_steps": (1, 10_000),
        "table_top": (-10.0, 10.0),
        "past": (0, 64),
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
        schedule, noise_steps, prediction: of the diffusion, or the flow, see `action_noise`. By
            default velocities are predicted: where a schedule ends at no signal, noise as target
            says nothing about the sample.
        table_top: height of the table, m.
        rope: whether attention depends on where things are to each other. Without it, positions are
            features of points and of samples, and nothing else.
        local_query: whether a sample asks the cells around it at the finest scale; without it, it
            attends to all of its points.
        decoupled_head: whether the position alone is noised, and rotation and gripper are read at
            it. Without it whole poses are noised, see `whole_pose`, and one network answers all.
        between_bins: whether angles lie between bins of 5 degrees, see `between_bins`; the paper's
            are one of them.
        past: so many of the latest keyframes are read, see `PastKeyframes`. The paper's policy
            reads none; where a picture can be of two moments of a task, something has to remember.
        alike: whether points know what the patch of their own colour looks like, see
            `equigrasp.policy.nn.alike`. The paper's do not.

    Raises:
        ValueError: widths or channels that are no multiples of `head_channels`; see `action_noise`.
    """

    name = "mini_diffuser"
    loss_weights: ClassVar[dict[str, float]] = {
        "position": 20.0,
        "rotation": 1.0,
        "gripper": 1.0,
    }
    noised = 3
    free_options = frozenset({"between_bins"})

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
        rope: bool = True,
        local_query: bool = True,
        decoupled_head: bool = True,
        between_bins: bool = True,
        past: int = 0,
        alike: bool = False,
    ) -> None:
        super().__init__()
        self.diffusion = action_noise(schedule, noise_steps, prediction)
        self.noise_steps, self.decoupled = noise_steps, decoupled_head
        self.between_bins = between_bins
        if not decoupled_head:
            self.noised, self.loss_weights = sum(POSE), LOSS_WEIGHTS
        heads = channels // head_channels
        self.text = text_encoder(words, channels, heads)
        self.state = nn.Sequential(nn.Linear(8, channels), nn.GELU(), nn.Linear(channels, channels))
        self.points = PointEncoder(
            channels,
            widths=widths,
            head_channels=head_channels,
            patch=patch,
            table_top=table_top,
            rope=rope,
            marks=past,
            alike=alike,
        )
        self.weigh = nn.Linear(channels, 1)
        # What is added to all logits of a softmax changes nothing: its gradient is rounding alone.
        self.weigh.bias.requires_grad_(False)
        coarse_to_fine = tuple(reversed(list(widths)))
        reader = partial(
            PositionReader,
            coarse_to_fine,
            channels,
            channels=channels,
            head_channels=head_channels,
            rope=rope,
            local_query=local_query,
        )
        self.denoiser = reader()
        if decoupled_head:
            self.actor = reader()
        self.in_projection = nn.Linear(self.noised, channels)
        self.time = TimeCode(channels)
        if decoupled_head:
            self.start = nn.Parameter(torch.zeros(channels))
            self.noise_head = head(channels, self.noised)
            self.action_head = head(channels, 3 * BINS + 1)
        else:
            self.noise_head = head(channels, self.noised + 1)
        self.past = PastKeyframes(channels, past) if past else None

    def encode(self, seen: Observations) -> Encoded:
        """See `KeyframePolicy`: points at all scales and a summary of words and state."""
        words, mask = self.text(seen.sentences)
        state = seen.state.clone()
        state[:, :3] = whiten(state[:, :3])
        tokens = torch.cat([words, self.state(state).unsqueeze(1)], 1)
        mask = F.pad(mask, (0, 1), value=True)
        tip, context, marks = seen.state[:, :3], Context(tokens, mask), None
        if self.past is not None:
            context = self.past(context, seen.past, seen.past_mask, tip)
            marks = self.past.marks(seen.xyz, seen.past, seen.past_mask)
        scales = self.points(seen.xyz, seen.rgb, seen.mask, tip, context, marks)
        summary = summarise(context.tokens, context.mask, self.weigh)
        acting = self.actor.remember(scales, summary) if self.decoupled else None
        return Encoded(self.denoiser.remember(scales, summary), acting)

    def predict(self, encoded: Encoded, noised: Tensor, step: Tensor) -> Tensor | PoseAnswer:
        """See `KeyframePolicy`: targets (B, M, 3) of the diffusion at whitened positions; where
        heads are coupled, those of poses (`POSE`) and the gripper."""
        moment = self.time(step.to(noised.dtype) / self.noise_steps)
        tokens = self.in_projection(noised) + moment.taken(moment.rows)
        places = unwhiten(noised[..., :3])
        out = self.noise_head(self.denoiser(encoded.denoising, tokens, places, moment))
        if self.decoupled:
            return out
        position, rotation, opened = out.split((*POSE, 1), -1)
        return PoseAnswer(position, rotation, opened.squeeze(-1))

    def read_action(self, encoded: Encoded, position: Tensor) -> tuple[Tensor, Tensor]:
        """Rotation and gripper at positions, where heads are decoupled.

        Args:
            encoded: B observations, see `encode`.
            position: (B, S, 3) metres in the world.

        Returns:
            logits of the rotation's bins (B, S, 3, `BINS`), and of an open gripper (B, S).
        """
        tokens = self.start + self.in_projection(whiten(position))
        out = self.action_head(self.actor(encoded.acting, tokens, position))
        return out[..., :-1].unflatten(-1, (3, BINS)), out[..., -1]

    def losses_at(
        self,
        encoded: Encoded,
        wanted: Actions,
        step: Tensor,
        noise: Tensor,
        generator: Generator,
    ) -> dict[str, Tensor]:
        """See `KeyframePolicy`: `position` (mean absolute error), `rotation`, `gripper`."""
        clean = whiten(wanted.position) if self.decoupled else pose_of(wanted)
        clean = repeat_conditions(clean, step.shape[1])
        noised = self.diffusion.add_noise(clean, noise, step)
        target = self.diffusion.target(clean, noise, step)
        predicted = self.predict(encoded, noised, step)
        if not self.decoupled:
            return pose_losses(predicted, target, wanted)
        true = wanted.position
        shake = torch.randn(true.shape, generator=generator, dtype=true.dtype)
        shaken = true + POSITION_NOISE * shake.to(true.device)
        bins, opened = self.read_action(encoded, shaken.unsqueeze(1))
        return {
            "position": sample_mean((predicted - target).abs()),
            "rotation": bin_loss(bins[:, 0], wanted.bins, between=self.between_bins),
            "gripper": F.binary_cross_entropy_with_logits(opened[:, 0], wanted.open.to(opened)),
        }

    def choose(self, encoded: Encoded, start: Tensor, steps: int) -> Actions:
        """See `KeyframePolicy`: positions, or poses, are denoised; the rest is read where they
        agree."""
        sampled = self._denoised(encoded, start, steps)
        if self.decoupled:
            chosen = most_supported(unwhiten(sampled)).unsqueeze(1)
        else:
            chosen = agreed_pose(sampled)
        return Actions(*(part.squeeze(1) for part in self._keyframes(encoded, chosen)))

    def drawn(self, encoded: Encoded, start: Tensor, steps: int) -> Actions:
        """See `KeyframePolicy`: all candidates are denoised beside each other."""
        sampled = self._denoised(encoded, start, steps)
        return self._keyframes(encoded, unwhiten(sampled) if self.decoupled else sampled)

    def _denoised(self, encoded: Encoded, start: Tensor, steps: int) -> Tensor:
        """Whitened positions (B, S, 3), or poses (B, S, 9), from noise of the same shape."""

        def target(noised: Tensor, step: Tensor) -> Tensor:
            found = self.predict(encoded, noised, step)
            return found if self.decoupled else torch.cat(found[:2], -1)

        return self.diffusion.sample(target, start, steps)

    def _keyframes(self, encoded: Encoded, where: Tensor) -> Actions:
        """Keyframes, parts (B, S, ...), at positions (B, S, 3; m), or of poses (B, S, 9)."""
        if self.decoupled:
            bins, opened = self.read_action(encoded, where)
            turned = read_bins(bins, between=self.between_bins)
            return Actions(where, turned, (opened > 0).to(opened))
        step = torch.zeros(where.shape[:2], dtype=torch.long, device=where.device)
        return actions_at(where, self.predict(encoded, where, step).open)
