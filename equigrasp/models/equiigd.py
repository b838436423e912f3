"""EquiIGD: grasp quality from the tri-plane, rotations sampled from a flow, each of them judged.

After "Equivariant Volumetric Grasping" (arXiv 2507.18847), section on EquiIGD. Changed where the
published model leaves the symmetry: offsets are steerable, the codes of the hand's control points
are invariant, the prior is invariant and the same in training and in sampling. The rotation model
is two-level: a scene is encoded once, a grasp point's context once, and M noised rotations of each
point run through a narrow network.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor
from torch.utils.checkpoint import checkpoint

from equigrasp.diffusion.batch import flatten_samples, repeat_conditions, unflatten_samples
from equigrasp.diffusion.flows import FLOWS
from equigrasp.hand import PANDA, Hand
from equigrasp.models.base import LIMITS, FlowTerms
from equigrasp.models.sampling import SamplingModel
from equigrasp.nn.fields import FieldType
from equigrasp.nn.hand_points import HandPoints, hand_grid
from equigrasp.nn.heads import Head
from equigrasp.nn.kernel_basis import BasisBank, model_bank
from equigrasp.nn.layers import LAYERS, Layers
from equigrasp.nn.planes import TriPlane
from equigrasp.nn.point_attention import PointAttention, Reader
from equigrasp.nn.rotation_fields import ROTATION_FIELD, ROWS_FIELD, rotation_field, rows_field
from equigrasp.nn.triplane import TriPlaneEncoder
from equigrasp.nn.velocity import VelocityContext, VelocityNet
from equigrasp.options import records_options
from equigrasp.workspace import WORKSPACE

SCALAR = FieldType("C4", trivial=1)
JUDGEMENT = FieldType("C4", trivial=2)

ROWS_STATE = (rows_field, ROWS_FIELD, FieldType("C4", vector=3))
STATES = {
    "so3": (rotation_field, ROTATION_FIELD, FieldType("C4", vector=1, trivial=1)),
    "euclidean": ROWS_STATE,
    "diffusion": ROWS_STATE,
    "diffusion_ddpm": ROWS_STATE,
}
"""Per flow: how a state becomes a field, that field's type, and the velocity's type."""


@records_options(
    exclude=("bank",),
    limits={
        **LIMITS,
        "fields": (1, 256),
        "depth": (1, 6),
        "steps": (1, 1000),
        "attention_samples": (1, 64),
        "hidden_fields": (1, 256),
        "head_blocks": (0, 32),
        "flow_fields": (1, 256),
        "flow_blocks": (0, 32),
    },
)
class EquiIGD(SamplingModel):
    """Scene encoder, deformable attention, rotation flow, and a judge of (point, rotation).

    Args:
        resolution, encoding, query_setback: as for `EquiGIGA`.
        fields, depth, side_features, deform, deform_xy, deform_side, norm, exchange, layers:
            likewise.
        flow: "so3" (Haar prior, geodesic paths), "euclidean" (published: six numbers, Gaussian
            prior, straight paths), or a denoising diffusion of these numbers, "diffusion" (DDIM)
            or "diffusion_ddpm".
        steps: integration steps of a sample.
        attention_samples: points read per query by the deformable attention.
        hidden_fields: regular fields of attention, heads and judge.
        head_blocks: residual blocks of the heads.
        flow_fields: regular fields of the layers that run per noised rotation.
        flow_blocks: number of those layers.
        hand, workspace_side, table_height: see `GraspModel`.
        bank: kernel bases saved with a model; without them escnn computes them.
    """

    name: ClassVar[str] = "equiigd"

    def __init__(
        self,
        resolution: int = 40,
        encoding: str = "full",
        query_setback: float = PANDA.finger_depth,
        fields: int = 8,
        depth: int = 3,
        side_features: str = "induced",
        deform: str = "none",
        deform_xy: str | None = None,
        deform_side: str | None = None,
        norm: str = "group",
        exchange: bool = True,
        layers: Mapping[str, Any] = LAYERS,
        flow: str = "so3",
        steps: int = 4,
        attention_samples: int = 8,
        hidden_fields: int = 24,
        head_blocks: int = 3,
        flow_fields: int = 12,
        flow_blocks: int = 3,
        hand: Hand | Mapping[str, Any] = PANDA,
        workspace_side: float = WORKSPACE.side,
        table_height: float = WORKSPACE.table_height,
        bank: BasisBank | None = None,
    ) -> None:
        if flow not in STATES:
            raise ValueError(f"flow is {flow!r}; use one of {sorted(STATES)}")
        if steps < 1:
            raise ValueError(f"steps is {steps}; a sample takes at least one integration step")
        super().__init__(resolution, encoding, query_setback, hand, workspace_side, table_height)
        self.steps, self.flow = steps, FLOWS[flow]
        self.state_field, state_type, velocity_type = STATES[flow]
        self.bank = bank = model_bank(bank, layers)
        self.encoder = TriPlaneEncoder(
            resolution,
            fields=fields,
            depth=depth,
            side_features=side_features,
            deform_xy=deform if deform_xy is None else deform_xy,
            deform_side=deform if deform_side is None else deform_side,
            norm=norm,
            encoding=encoding,
            exchange=exchange,
            layers=Layers.of(layers),
            bank=bank,
        )
        here, hidden = self.encoder.point_field, FieldType("C4", regular=hidden_fields)
        head = partial(Head, bank=bank, fields=hidden_fields, blocks=head_blocks)
        self.attention = PointAttention(here, hidden, bank, samples=attention_samples)
        self.quality, self.occupancy = head(hidden, SCALAR), head(here, SCALAR)
        self.velocity = VelocityNet(
            hidden, state_type, velocity_type, bank, fields=flow_fields, blocks=flow_blocks
        )
        grid = hand_grid(self.hand, self.workspace.side, query_setback)
        self.hand_points = HandPoints(here, hidden_fields, bank, grid)
        judged = FieldType("C4", regular=hidden_fields + ROTATION_FIELD.regular + hidden_fields)
        self.judge = head(judged, JUDGEMENT)

    @property
    def exact(self) -> bool:
        """All but `side_features="plain"` commute with quarter turns."""
        return self.encoder.exact

    def encode(self, tsdf: Tensor) -> TriPlane:
        """Planes of scenes (B, N, N, N)."""
        self.check_tsdf(tsdf)
        return self.encoder(tsdf)

    def reader(self, features: TriPlane) -> Reader:
        """Features of scenes at points."""
        return partial(self.encoder.at, features)

    def attend(self, read: Reader, points: Tensor) -> Tensor:
        """Regular fields (B, Q, C) of the deformable attention."""
        return self.attention(read, points)

    def quality_at(self, points: Tensor, seen: Tensor) -> Tensor:
        """Logits (B, Q); no coordinates enter but through the features."""
        return self.quality(seen).squeeze(-1)

    def occupancy_at(self, points: Tensor, here: Tensor) -> Tensor:
        """Logits (B, Q)."""
        return self.occupancy(here).squeeze(-1)

    def prior(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        """States at time 0: rotations (*shape, 3, 3) if "so3", or rows (*shape, 2, 3); all of a
        sample's if noise is added on the way, (*shape, steps, 2, 3)."""
        return self.flow.prior((*shape, *self.flow.draws(self.steps)), generator)

    def sample_rotations(self, seen: Tensor, noise: Tensor, generator: Generator) -> Tensor:
        """Carry states of the prior (B, Q, S, ...) to rotations (B, Q, S, 3, 3), adding none."""
        velocity = partial(self.predict, self.context(flatten_samples(seen)))
        moved = self.flow.carry(velocity, flatten_samples(noise), self.steps)
        return unflatten_samples(self.flow.to_rotation(moved), len(noise))

    def judgement(
        self, read: Reader, seen: Tensor, points: Tensor, rotations: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logit of success and width in metres, (B, Q, S) each, of rotations (B, Q, S, 3, 3)."""
        return self.verdict(self.judged(read, seen, points, rotations))

    def judged(self, read: Reader, seen: Tensor, points: Tensor, rotations: Tensor) -> Tensor:
        """What the judge looks at, regular fields (B, Q, S, C) of rotations (B, Q, S, 3, 3)."""
        around = self.hand_points(read, points, rotations)
        own = repeat_conditions(seen, rotations.shape[2], levels=2)
        return torch.cat([around, rotation_field(rotations), own], -1)

    def judged_at(
        self, features: TriPlane, points: Tensor, rotations: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`judged` of rotations at points (B, Q, 3), and the logits of quality (B, Q)."""
        read = self.reader(features)
        seen = self.attend(read, points)
        return self.judged(read, seen, points, rotations), self.quality_at(points, seen)

    def verdict(self, judged: Tensor) -> tuple[Tensor, Tensor]:
        """Logit of success and width in metres (...) of what the judge looks at (..., C)."""
        found = self.judge(judged)
        # a unit step of the width is a quarter of the full opening, as in EquiGIGA
        return found[..., 0], self.hand.opening * (0.5 + 0.25 * found[..., 1])

    def flow_terms(self, seen: Tensor, goal: Tensor, generator: Generator) -> FlowTerms:
        """Velocities on the way from noise to rotations (P, M, 3, 3)."""
        noise = self.flow.prior(goal.shape[:2], generator).to(seen)
        target = self.flow.pair(noise, goal)
        time = self.flow.times(goal.shape[:2], generator).to(seen)
        state = self.flow.interpolate(noise, target, time)
        context = self.context(seen)
        if torch.is_grad_enabled():  # activations of M samples would be most of a step's memory
            velocity = checkpoint(self.predict, context, state, time, use_reentrant=False)
        else:
            velocity = self.predict(context, state, time)
        wanted = self.flow.velocity(noise, target, time)
        return FlowTerms(velocity.flatten(2), wanted.flatten(2))

    def first_state(self, noise: Tensor) -> Tensor:
        """The first of all that a sample is made of."""
        return noise[:, :, 0] if self.flow.draws(self.steps) else noise

    def context(self, seen: Tensor) -> VelocityContext:
        """What modulates the velocities at points with features (P, C)."""
        return self.velocity.condition(seen)

    def predict(self, context: VelocityContext, noised: Tensor, time: Tensor) -> Tensor:
        """Velocities at states (P, M, ...) and times (P, M), as the flow has them."""
        found = self.velocity(context, self.state_field(noised), time)
        if noised.shape[-2:] == (2, 3):  # three horizontal vectors are two rows
            return found.unflatten(-1, (3, 2)).transpose(-1, -2)
        return found
