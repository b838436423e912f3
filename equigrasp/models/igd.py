"""IGD: implicit grasp diffusion on GIGA's planes; not equivariant.

After Song et al., "Implicit Grasp Diffusion" (CoRL 2024): deformable attention around a point, a
denoising diffusion of quaternions, and a classifier that reads the scene at points of the gripper.
Differences from the published code: attention logits are divided by the square root of the width
(the code multiplies), every sample has its own step and noise, negatives of the classifier are the
yaws that failed in simulation, and sampling takes DDIM steps unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from equigrasp.diffusion.batch import (
    flatten_samples,
    pick_samples,
    repeat_conditions,
    unflatten_samples,
)
from equigrasp.diffusion.modulation import sinusoidal_embedding
from equigrasp.diffusion.schedules import Diffusion
from equigrasp.diffusion.times import sample_steps
from equigrasp.geometry.rotations import matrix_to_quaternion, quaternion_to_matrix
from equigrasp.hand import PANDA, Hand
from equigrasp.models.base import LIMITS, FlowTerms
from equigrasp.models.sampling import SamplingModel
from equigrasp.nn.hand_points import hand_grid
from equigrasp.nn.plain import PlaneEncoder, Planes, PointDecoder, read_planes
from equigrasp.nn.point_attention import Reader, read_around
from equigrasp.options import records_options
from equigrasp.workspace import WORKSPACE

_OFFSET = 1 / 80
"""Distance of the attended points from the query along each axis at first, in cube sides."""
_TIME = 16
_TRAINING_STEPS = 100


class CornerAttention(nn.Module):
    """Attention of a point to eight points around it, whose offsets it predicts."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        corners = torch.cartesian_prod(*[torch.tensor([-_OFFSET, _OFFSET])] * 3)
        self.offset = nn.Linear(channels, corners.numel())
        nn.init.zeros_(self.offset.weight)
        with torch.no_grad():
            self.offset.bias.copy_(corners.flatten())
        self.query, self.key, self.value, self.out_projection = (
            nn.Linear(channels, channels) for _ in range(4)
        )

    def forward(self, read: Reader, points: Tensor) -> Tensor:
        """Features (B, Q, C) at points (B, Q, 3)."""
        here = read(points)
        offsets = self.offset(here).unflatten(-1, (-1, 3))
        there = read_around(read, points.unsqueeze(2) + offsets)
        return here + self.out_projection(
            _attention(self.query(here), self.key(there), self.value(there))
        )


class GripperAttention(nn.Module):
    """Attention of a point to points of the hand that move with it.

    Args:
        channels: of the features.
        grid: (K, 3) places in the hand at first, see `hand_grid`; they are learned.
    """

    def __init__(self, channels: int, grid: Tensor) -> None:
        super().__init__()
        self.grid = nn.Parameter(grid)
        self.code = nn.Parameter(0.1 * torch.randn(len(grid), channels))
        self.query, self.key, self.value, self.out_projection = (
            nn.Linear(channels, channels) for _ in range(4)
        )

    def forward(self, read: Reader, points: Tensor, rotations: Tensor) -> Tensor:
        """Features (B, Q, S, C) of rotations (B, Q, S, 3, 3) at points (B, Q, 3)."""
        places = points[:, :, None, None] + self.grid @ rotations.transpose(-1, -2)
        there = read_around(read, places) + self.code
        here = repeat_conditions(read(points), rotations.shape[2], levels=2)
        return here + self.out_projection(
            _attention(self.query(here), self.key(there), self.value(there))
        )


def _attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """One query (..., C) over K keys and values (..., K, C)."""
    return F.scaled_dot_product_attention(query.unsqueeze(-2), key, value).squeeze(-2)


@records_options(
    limits={
        **LIMITS,
        "channels": (1, 1024),
        "depth": (1, 6),
        "hidden": (1, 1024),
        "blocks": (0, 32),
        "flow_hidden": (1, 1024),
        "steps": (1, 1000),
    }
)
class IGD(SamplingModel):
    """GIGA's planes, attention, decoders, a quaternion diffusion and a classifier.

    Args:
        resolution, encoding, query_setback: as for `GIGA`.
        channels, depth: of the planes and their UNet.
        hidden, blocks: width and number of the decoders' residual blocks.
        flow_hidden: width of the network that runs per noised rotation.
        steps: denoising steps of a sample.
        sampler: "ddim", or "ddpm" as published (with steps=100).
        hand, workspace_side, table_height: see `GraspModel`.
    """

    name: ClassVar[str] = "igd"

    def __init__(
        self,
        resolution: int = 40,
        encoding: str = "published",
        query_setback: float = PANDA.finger_depth,
        channels: int = 32,
        depth: int = 3,
        hidden: int = 32,
        blocks: int = 5,
        flow_hidden: int = 128,
        steps: int = 10,
        sampler: str = "ddim",
        hand: Hand | Mapping[str, Any] = PANDA,
        workspace_side: float = WORKSPACE.side,
        table_height: float = WORKSPACE.table_height,
    ) -> None:
        super().__init__(resolution, encoding, query_setback, hand, workspace_side, table_height)
        wide = 3 * channels
        self.steps, self.sampler = steps, sampler
        self.diffusion = Diffusion("linear", _TRAINING_STEPS)
        self.encoder = PlaneEncoder(channels, depth)
        self.attention = CornerAttention(wide)
        decoder = partial(PointDecoder, wide, hidden=hidden, blocks=blocks)
        self.decoder_qual, self.decoder_width = decoder(1), decoder(1)
        self.decoder_tsdf = decoder(1)
        self.denoiser = PointDecoder(
            wide + _TIME, 4, coordinates=4, hidden=flow_hidden, blocks=blocks
        )
        self.gripper = GripperAttention(
            wide, hand_grid(self.hand, self.workspace.side, query_setback)
        )
        self.classifier = decoder(1)

    def encode(self, tsdf: Tensor) -> Planes:
        """Planes of scenes (B, N, N, N)."""
        self.check_tsdf(tsdf)
        return self.encoder(tsdf)

    def reader(self, features: Planes) -> Reader:
        """Features of scenes at points."""
        return partial(read_planes, features)

    def attend(self, read: Reader, points: Tensor) -> Tensor:
        """Features (B, Q, C) of the deformable attention."""
        return self.attention(read, points)

    def quality_at(self, points: Tensor, seen: Tensor) -> Tensor:
        """Logits (B, Q)."""
        return self.decoder_qual(points, seen).squeeze(-1)

    def occupancy_at(self, points: Tensor, here: Tensor) -> Tensor:
        """Logits (B, Q)."""
        return self.decoder_tsdf(points, here).squeeze(-1)

    def prior(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        """Standard normal quaternions (*shape, 4), xyzw."""
        return torch.randn(*shape, 4, generator=generator)

    def turn_noise(self, noise: Tensor, turns: int) -> Tensor:
        """Product with the quaternion of the turn from the left."""
        half = torch.tensor(turns * torch.pi / 4, dtype=noise.dtype, device=noise.device)
        s, c = half.sin(), half.cos()
        x, y, z, w = noise.unbind(-1)
        return torch.stack([c * x - s * y, c * y + s * x, c * z + s * w, c * w - s * z], -1)

    def sample_rotations(self, seen: Tensor, noise: Tensor, generator: Generator) -> Tensor:
        """Rotations (B, Q, S, 3, 3) from quaternion noise (B, Q, S, 4); only "ddpm" adds more."""
        moved = self.diffusion.sample(
            partial(self.predict, self.context(flatten_samples(seen))),
            flatten_samples(noise),
            self.steps,
            sampler=self.sampler,
            generator=generator,
        )
        return unflatten_samples(quaternion_to_matrix(moved), len(noise))

    def judgement(
        self, read: Reader, seen: Tensor, points: Tensor, rotations: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logit of success, and width (m) from the point alone, both (B, Q, S)."""
        around = self.gripper(read, points, rotations)
        samples = rotations.shape[2]
        place = repeat_conditions(points, samples, levels=2)
        width = self.workspace.side * self.decoder_width(points, seen).squeeze(-1)
        width = repeat_conditions(width, samples, levels=2)
        return self.classifier(place, around).squeeze(-1), width

    def flow_terms(self, seen: Tensor, goal: Tensor, generator: Generator) -> FlowTerms:
        """Predicted and true noise on quaternions of rotations (P, M, 3, 3).

        Of the four quaternions of a grasp (sign, half turn) the one nearest to the noise is the
        target, which is what the published code repeats its random noise for.
        """
        first = matrix_to_quaternion(goal)
        x, y, z, w = first.unbind(-1)
        second = torch.stack([y, -x, w, -z], -1)  # the same grasp, turned by half about z
        choices = torch.stack([first, -first, second, -second], -2)
        noise = self.prior(goal.shape[:2], generator).to(seen)
        nearest = (choices * noise.unsqueeze(-2)).sum(-1).argmax(-1, keepdim=True)
        target = pick_samples(choices, nearest).squeeze(2)
        step = sample_steps(goal.shape[:2], _TRAINING_STEPS, generator, seen.device)
        state = self.diffusion.add_noise(target, noise, step)
        return FlowTerms(self.predict(self.context(seen), state, step), noise)

    def predict(self, context: Tensor, noised: Tensor, time: Tensor) -> Tensor:
        """Noise (P, M, 4) in quaternions (P, M, 4) at steps (P, M), points' features (P, C)."""
        clock = sinusoidal_embedding(time.to(noised) / _TRAINING_STEPS, _TIME)
        known = repeat_conditions(context, noised.shape[1])
        return self.denoiser(noised, torch.cat([known, clock], -1))
