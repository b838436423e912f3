"""3D Diffuser Actor with a two-level training batch: the drop-in variant of Mini-Diffuser.

After "3D Diffuser Actor" (arXiv 2402.10885) and the ablation of "Mini Diffuser" (arXiv 2505.09430)
that keeps this network and adds M samples per observation: position and rotation of the next
keyframe are denoised together by a transformer, each on its own noise schedule. `DiffuserActor`
tells what differs from the published code.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from equigrasp.diffusion.batch import repeat_conditions
from equigrasp.diffusion.schedules import Diffusion, sample_together
from equigrasp.geometry.rotations import quaternion_to_matrix
from equigrasp.options import records_options
from equigrasp.policy.keyframes.policy_io import Actions, Observations
from equigrasp.policy.keyframes.rotation_rows import matrix_to_six
from equigrasp.policy.models.base import KeyframePolicy
from equigrasp.policy.models.whole_pose import (
    LOSS_WEIGHTS,
    POSE,
    actions_at,
    agreed_pose,
    pose_losses,
    pose_of,
)
from equigrasp.policy.nn.patches import PatchEncoder
from equigrasp.policy.nn.point_encoder import Context, PointBlock, Points
from equigrasp.policy.nn.pose_denoiser import PoseAnswer, PoseDenoiser, PoseMemory
from equigrasp.policy.nn.text import text_encoder
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.policy.nn.whitening import whiten


@records_options(
    exclude=("words",),
    limits={
        "channels": (1, 1024),
        "head_channels": (1, 1024),
        "tokens": (1, 10_000),
        "neighbours": (1, 1000),
        "scene_layers": (0, 32),
        "trunk_layers": (0, 32),
        "branch_layers": (0, 32),
        "noise_steps": (1, 10_000),
        "table_top": (-10.0, 10.0),
    },
)
class DiffuserActor(KeyframePolicy):
    """The policy.

    Unlike the published network it learns its own scene tokens (`PatchEncoder`) and words, needs no
    second thinning of them (there are 160, not 4096), sees the gripper's whole state instead of its
    position, normalises before layers instead of after, and has no memory of earlier states.

    Args:
        words: what sentences are understood with, see `text_encoder`.
        channels: width of all tokens.
        head_channels: of each attention head.
        tokens, neighbours: patches of a scene at most, and points of each.
        scene_layers: of attention among patches, gripper and words before any pose comes in.
        trunk_layers, branch_layers: of the denoiser, see `PoseDenoiser`.
        position_schedule, position_prediction: of the diffusion of positions, see `Diffusion`; as
            published.
        rotation_schedule, rotation_prediction: of rotations. The schedule is the published one; it
            ends at no signal, where noise as target says nothing, so that velocities are predicted.
            (The published code predicts noise and clips what follows from it.)
        noise_steps: K of both.
        table_top: height of the table, m.

    Raises:
        ValueError: `channels` is no multiple of `head_channels`; or see `Diffusion`.
    """

    name = "diffuser_actor"
    loss_weights: ClassVar[dict[str, float]] = LOSS_WEIGHTS
    noised = sum(POSE)

    def __init__(
        self,
        words: Vocabulary | str | Path,
        *,
        channels: int = 144,
        head_channels: int = 24,
        tokens: int = 160,
        neighbours: int = 16,
        scene_layers: int = 2,
        trunk_layers: int = 4,
        branch_layers: int = 2,
        position_schedule: str = "scaled_linear",
        position_prediction: str = "epsilon",
        rotation_schedule: str = "cosine",
        rotation_prediction: str = "v_prediction",
        noise_steps: int = 100,
        table_top: float = 0.75,
    ) -> None:
        super().__init__()
        if channels % head_channels:
            raise ValueError(
                f"{channels} channels are no multiple of head_channels={head_channels}"
            )
        heads = channels // head_channels
        self.diffusions = (
            Diffusion(position_schedule, noise_steps, position_prediction),
            Diffusion(rotation_schedule, noise_steps, rotation_prediction),
        )
        self.noise_steps = noise_steps
        self.text = text_encoder(words, channels, heads)
        self.patches = PatchEncoder(
            channels, tokens=tokens, neighbours=neighbours, table_top=table_top
        )
        self.state = nn.Sequential(
            nn.Linear(10, channels), nn.GELU(), nn.Linear(channels, channels)
        )
        self.scene = nn.ModuleList(
            PointBlock(channels, channels, heads, patch=tokens + 1) for _ in range(scene_layers)
        )
        self.gripper = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, channels),
            nn.GELU(),
            nn.Linear(channels, channels),
        )
        self.denoiser = PoseDenoiser(
            channels, heads, trunk_layers=trunk_layers, branch_layers=branch_layers
        )

    def encode(self, seen: Observations) -> PoseMemory:
        """See `KeyframePolicy`: what poses need of the patches, the gripper and the words."""
        words = Context(*self.text(seen.sentences))
        points = self._with_gripper(self.patches(seen.xyz, seen.rgb, seen.mask), seen.state)
        for block in self.scene:
            points = block(points, words)
        return self.denoiser.remember(points, self.gripper(points.features[:, -1]), words)

    def predict(self, encoded: PoseMemory, noised: Tensor, step: Tensor) -> PoseAnswer:
        """See `KeyframePolicy`: targets of both diffusions, and the gripper, at poses (`POSE`)."""
        return self.denoiser(encoded, noised, step.to(noised.dtype) / self.noise_steps)

    def losses_at(
        self,
        encoded: PoseMemory,
        wanted: Actions,
        step: Tensor,
        noise: Tensor,
        generator: Generator,
    ) -> dict[str, Tensor]:
        """See `KeyframePolicy`: `position` and `rotation` (mean absolute errors), `gripper`."""
        pose = repeat_conditions(pose_of(wanted), step.shape[1])
        pairs = list(zip(self.diffusions, pose.split(POSE, -1), noise.split(POSE, -1), strict=True))
        noised = torch.cat([d.add_noise(clean, added, step) for d, clean, added in pairs], -1)
        target = torch.cat([d.target(clean, added, step) for d, clean, added in pairs], -1)
        return pose_losses(self.predict(encoded, noised, step), target, wanted)

    def choose(self, encoded: PoseMemory, start: Tensor, steps: int) -> Actions:
        """See `KeyframePolicy`: whole poses are denoised; the gripper is read at the chosen one."""
        parts = sample_together(
            self.diffusions,
            lambda pose, step: self.predict(encoded, torch.cat(pose, -1), step)[:2],
            start.split(POSE, -1),
            steps,
        )
        chosen = agreed_pose(torch.cat(parts, -1))
        step = torch.zeros(chosen.shape[:2], dtype=torch.long, device=chosen.device)
        opened = self.predict(encoded, chosen, step).open
        return actions_at(chosen[:, 0], opened[:, 0])

    def _with_gripper(self, points: Points, state: Tensor) -> Points:
        """Tokens (B, N, channels) and the gripper as the last of them."""
        turned = matrix_to_six(quaternion_to_matrix(state[:, 3:7]))
        known = torch.cat([whiten(state[:, :3]), turned, state[:, 7:]], -1)
        here = Points(
            self.state(known).unsqueeze(1), state[:, None, :3], points.mask.new_ones(len(state), 1)
        )
        return Points(*(torch.cat(pair, 1) for pair in zip(points, here, strict=True)))
