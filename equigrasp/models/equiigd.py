"""EquiIGD: grasp quality from the tri-plane, rotations drawn from a flow, each draw judged.

After "Equivariant Volumetric Grasping" (arXiv 2507.18847), section on EquiIGD. Changed where the
published model leaves the symmetry: offsets are steerable, the codes of the hand's control points
are invariant, the prior is invariant and the same in training and in sampling. The rotation model
is two-level: a scene is encoded once, a grasp point's context once, and M noised rotations of each
point run through a narrow network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar

import torch
from torch import Generator, Tensor
from torch.utils.checkpoint import checkpoint

from equigrasp.constants import FINGER_DEPTH, MAX_WIDTH
from equigrasp.diffusion.flows import FLOWS, integrate
from equigrasp.diffusion.times import sample_times
from equigrasp.models.base import OUTPUTS, FlowTerms, GraspField, GraspModel, check_points
from equigrasp.nn.fields import FieldType
from equigrasp.nn.hand_points import HandPoints
from equigrasp.nn.heads import Head
from equigrasp.nn.planes import TriPlane
from equigrasp.nn.point_attention import PointAttention, Reader
from equigrasp.nn.rotation_fields import ROTATION_FIELD, ROWS_FIELD, rotation_field, rows_field
from equigrasp.nn.steerable import BasisBank
from equigrasp.nn.triplane import TriPlaneEncoder
from equigrasp.nn.velocity import VelocityContext, VelocityNet

SCALAR = FieldType("C4", trivial=1)
JUDGEMENT = FieldType("C4", trivial=2)

STATES = {
    "so3": (rotation_field, ROTATION_FIELD, FieldType("C4", vector=1, trivial=1)),
    "euclidean": (rows_field, ROWS_FIELD, FieldType("C4", vector=3)),
}
"""Per flow: how a state becomes a field, that field's type, and the velocity's type."""


class EquiIGD(GraspModel):
    """Scene encoder, deformable attention, rotation flow, and a judge of (point, rotation).

    `query` returns, of `num_samples` drawn rotations per point, the most confident one with its
    width and confidence; the score of a grasp is sqrt(quality * confidence).

    Args:
        resolution, encoding, query_setback, fields, depth, side_features, deform, norm: as for
            `EquiGIGA`.
        flow: "so3" (Haar prior, geodesic paths) or "euclidean" (published: six numbers, Gaussian).
        steps: integration steps of a draw.
        attention_samples: points read per query by the deformable attention.
        hidden_fields: regular fields of attention, heads and judge.
        head_blocks: residual blocks of the heads.
        flow_fields: regular fields of the layers that run per noised rotation.
        flow_blocks: number of those layers.
        bank: kernel bases saved with a model; without them escnn computes them.
    """

    name: ClassVar[str] = "equiigd"
    outputs: ClassVar[tuple[str, ...]] = (*OUTPUTS, "confidence")
    draws: ClassVar[bool] = True

    def __init__(
        self,
        resolution: int = 40,
        encoding: str = "full",
        query_setback: float = FINGER_DEPTH,
        fields: int = 8,
        depth: int = 3,
        side_features: str = "induced",
        deform: str = "none",
        norm: str = "group",
        flow: str = "so3",
        steps: int = 4,
        attention_samples: int = 8,
        hidden_fields: int = 24,
        head_blocks: int = 3,
        flow_fields: int = 12,
        flow_blocks: int = 3,
        bank: BasisBank | None = None,
    ) -> None:
        if flow not in STATES:
            raise ValueError(f"flow is {flow!r}; use one of {sorted(STATES)}")
        if steps < 1:
            raise ValueError(f"steps is {steps}; a draw takes at least one integration step")
        shape = {
            "fields": fields,
            "depth": depth,
            "side_features": side_features,
            "deform": deform,
            "norm": norm,
        }
        config = {
            "resolution": resolution,
            "encoding": encoding,
            "query_setback": query_setback,
            **shape,
            "flow": flow,
            "steps": steps,
            "attention_samples": attention_samples,
            "hidden_fields": hidden_fields,
            "head_blocks": head_blocks,
            "flow_fields": flow_fields,
            "flow_blocks": flow_blocks,
        }
        super().__init__(resolution, encoding, query_setback, config)
        self.steps, self.flow = steps, FLOWS[flow]
        self.state_field, state_type, velocity_type = STATES[flow]
        self.bank = bank = BasisBank() if bank is None else bank
        self.encoder = TriPlaneEncoder(resolution, encoding=encoding, bank=bank, **shape)
        here, hidden = self.encoder.point_field, FieldType("C4", regular=hidden_fields)
        head = partial(Head, bank=bank, fields=hidden_fields, blocks=head_blocks)
        self.attention = PointAttention(here, hidden, bank, samples=attention_samples)
        self.quality, self.occupancy = head(hidden, SCALAR), head(here, SCALAR)
        self.velocity = VelocityNet(
            hidden, state_type, velocity_type, bank, fields=flow_fields, blocks=flow_blocks
        )
        self.hand = HandPoints(here, hidden_fields, bank, query_setback)
        judged = FieldType("C4", regular=hidden_fields + ROTATION_FIELD.regular + hidden_fields)
        self.judge = head(judged, JUDGEMENT)

    def encode(self, tsdf: Tensor) -> TriPlane:
        """Planes of scenes (B, N, N, N)."""
        self.check_tsdf(tsdf)
        return self.encoder(tsdf)

    def query_raw(
        self,
        features: TriPlane,
        points: Tensor,
        outputs: tuple[str, ...] = ("quality", "rotation", "width"),
        *,
        num_samples: int = 1,
        generator: Generator | None = None,
        noise: Tensor | None = None,
    ) -> GraspField:
        """Logits, rotation rows (B, Q, 2, 3) and unclamped width of the best draw at (B, Q, 3).

        `noise` (B, Q, S, ...) replaces the draw from the prior: states of the flow.
        """
        check_points(points, outputs, self.outputs)
        read = self._reader(features)
        raw: dict[str, Tensor] = {}
        if "occupancy" in outputs:
            raw["occupancy"] = self.occupancy(read(points)).squeeze(-1)
        if set(outputs) == {"occupancy"}:
            return GraspField(**raw)
        seen = self.attention(read, points)
        if "quality" in outputs:
            raw["quality"] = self.quality(seen).squeeze(-1)
        if {"rotation", "width", "confidence"} & set(outputs):
            if noise is None:
                noise = self.prior((*points.shape[:2], num_samples), generator).to(points)
            rotations = self.draw(seen, noise)
            confidence, width = self.judgement(read, seen, points, rotations)
            best = confidence.argmax(-1, keepdim=True)
            drawn = {
                "rotation": _pick(rotations[..., :2, :], best),
                "width": _pick(width, best),
                "confidence": _pick(confidence, best),
            }
            raw |= {name: value for name, value in drawn.items() if name in outputs}
        return GraspField(**raw)

    def prior(self, shape: tuple[int, ...], generator: Generator | None = None) -> Tensor:
        """States to draw from: rotations (*shape, 3, 3), or rows (*shape, 2, 3) if "euclidean"."""
        return self.flow.prior(shape, generator=generator)

    def draw(self, seen: Tensor, noise: Tensor) -> Tensor:
        """Carry states of the prior (B, Q, S, ...) to rotations (B, Q, S, 3, 3)."""
        flat = noise.flatten(0, 1)
        context = self.velocity.condition(seen.flatten(0, 1))
        moved = integrate(self.flow, self._velocity(context), flat, self.steps)
        return self.flow.to_rotation(moved).unflatten(0, noise.shape[:2])

    def judgement(
        self, read: Reader, seen: Tensor, points: Tensor, rotations: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logit of success and width in metres, (B, Q, S) each, of rotations (B, Q, S, 3, 3)."""
        around = self.hand(read, points, rotations)
        own = seen.unsqueeze(2).expand(*rotations.shape[:3], -1)
        found = self.judge(torch.cat([around, rotation_field(rotations), own], -1))
        # a unit step of the width is a quarter of the full opening, as in EquiGIGA
        return found[..., 0], MAX_WIDTH * (0.5 + 0.25 * found[..., 1])

    def training_field(
        self,
        features: TriPlane,
        batch: Mapping[str, Tensor],
        num_samples: int,
        points_per_scene: int,
    ) -> GraspField:
        """Quality, occupancy, judgement of every labelled yaw, velocities at noised rotations."""
        read, points = self._reader(features), batch["points"]
        seen = self.attention(read, points)
        confidence, width = self.judgement(read, seen, points, batch["rotations"].to(points))
        success = batch["yaw_success"].bool() & batch["mask"].bool().unsqueeze(-1)
        chosen = choose_some(success.any(-1), points_per_scene)
        return GraspField(
            quality=self.quality(seen).squeeze(-1),
            width=width,
            occupancy=self.occupancy(read(batch["occ_points"])).squeeze(-1),
            confidence=confidence,
            flow=self._flow_terms(
                seen[chosen], batch["rotations"].to(points)[chosen], success[chosen], num_samples
            ),
        )

    def _flow_terms(
        self, seen: Tensor, rotations: Tensor, success: Tensor, num_samples: int
    ) -> FlowTerms:
        """Velocities of M noised rotations at P grasp points.

        Args:
            seen: (P, C) features of the points.
            rotations: (P, Y, 3, 3) of the yaws.
            success: (P, Y) bool; a target is one of the successful yaws, drawn per sample.
            num_samples: M.
        """
        count = len(seen)
        noise = self.flow.prior((count, num_samples)).to(seen)
        chosen = (
            torch.multinomial(success.float(), num_samples, replacement=True)
            if count
            else (torch.zeros(0, num_samples, dtype=torch.long, device=seen.device))
        )
        goal = rotations.gather(1, chosen[..., None, None].expand(-1, -1, 3, 3))
        target = self.flow.pair(noise, goal)
        time = sample_times((count, num_samples), "stratified").to(seen)
        state = self.flow.interpolate(noise, target, time)
        context = self.velocity.condition(seen)
        if torch.is_grad_enabled():  # activations of M samples would be most of a step's memory
            fields = self.state_field(state)
            raw = checkpoint(self.velocity, context, fields, time, use_reentrant=False)
            velocity = self._shaped(raw, state)
        else:
            velocity = self._velocity(context)(state, time)
        return FlowTerms(velocity.flatten(2), self.flow.velocity(noise, target, time).flatten(2))

    def _velocity(self, context: VelocityContext) -> Callable[[Tensor, Tensor], Tensor]:
        def velocity(state: Tensor, time: Tensor) -> Tensor:
            return self._shaped(self.velocity(context, self.state_field(state), time), state)

        return velocity

    @staticmethod
    def _shaped(found: Tensor, state: Tensor) -> Tensor:
        """Three horizontal vectors as two rows, if that is what states are."""
        if state.shape[-2:] == (2, 3):
            return found.unflatten(-1, (3, 2)).transpose(-1, -2)
        return found

    def _reader(self, features: TriPlane) -> Reader:
        return partial(self.encoder.at, features)


def choose_some(mask: Tensor, count: int) -> Tensor:
    """At most `count` random entries per row of a mask (B, Q): a mask of the same shape."""
    rank = torch.rand(mask.shape, device=mask.device).masked_fill(~mask, -1).argsort(1).argsort(1)
    return mask & (rank >= mask.shape[1] - count)


def _pick(values: Tensor, index: Tensor) -> Tensor:
    """Entry `index` (B, Q, 1) of values (B, Q, S, ...)."""
    spread = index[(...,) + (None,) * (values.dim() - 3)]
    return values.gather(2, spread.expand(*index.shape, *values.shape[3:])).squeeze(2)
