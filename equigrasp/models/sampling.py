"""What models share that sample rotations and judge each sample: EquiIGD and IGD.

Three levels in a batch: a scene is encoded once; each of its query points is read once; each point
gets several rotations. Subclasses say how a point is read, how noise becomes a rotation, and how a
(point, rotation) is judged. Points and their rotations are conditions and samples of the two-level
core, `equigrasp.diffusion`, as observations and keyframes of a policy are.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Generator, Tensor

from equigrasp.data import batch_keys as keys
from equigrasp.diffusion.batch import pick_samples
from equigrasp.geometry.turns import turn_matrix
from equigrasp.models.base import (
    GRASP_OUTPUTS,
    OUTPUTS,
    FlowTerms,
    GraspField,
    GraspModel,
    check_points,
)
from equigrasp.nn.point_attention import Reader


class SamplingModel(GraspModel):
    """Base of models that sample rotations.

    `query` returns, of `num_samples` rotations per point, the most confident one with its
    width and confidence; the score of a grasp is sqrt(quality * confidence), as published.
    """

    outputs: ClassVar[tuple[str, ...]] = (*OUTPUTS, "confidence")
    samples_rotations: ClassVar[bool] = True

    @abstractmethod
    def reader(self, features: NamedTuple) -> Reader:
        """Features of scenes at points."""

    @abstractmethod
    def attend(self, read: Reader, points: Tensor) -> Tensor:
        """What a point knows of its surroundings, (B, Q, C), from which all else is told."""

    @abstractmethod
    def quality_at(self, points: Tensor, seen: Tensor) -> Tensor:
        """Logits (B, Q) from attended features."""

    @abstractmethod
    def occupancy_at(self, points: Tensor, here: Tensor) -> Tensor:
        """Logits (B, Q) from features read at the points."""

    @abstractmethod
    def prior(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        """Noise (*shape, ...) that rotations are made of, on the CPU, as the generator is."""

    def turn_noise(self, noise: Tensor, turns: int) -> Tensor:
        """Noise that goes with a scene turned by `turns` quarter turns; states are rows of a
        rotation unless a model says otherwise."""
        rows = noise.shape[-2]
        return turn_matrix(turns, noise.dtype).to(noise.device)[:rows, :rows] @ noise

    def context(self, seen: Tensor) -> Any:
        """What is computed once per point (P, C), whatever the number of its rotations."""
        return seen

    def first_state(self, noise: Tensor) -> Tensor:
        """Of the noise (P, M, ...) of samples, the states that they start from; some samplers add
        the rest on the way."""
        return noise

    @abstractmethod
    def predict(self, context: Any, noised: Tensor, time: Tensor) -> Tensor:
        """What the network says of noised rotations, each by itself.

        Args:
            context: of P points, see `context`.
            noised: (P, M, ...) states between noise and rotation.
            time: (P, M) where between them; a time in [0, 1) or a step, as the model has it.

        Returns:
            (P, M, ...).
        """

    @abstractmethod
    def sample_rotations(self, seen: Tensor, noise: Tensor, generator: Generator) -> Tensor:
        """Rotations made of noise.

        Args:
            seen: (B, Q, C) features of the points.
            noise: (B, Q, S, ...) of the prior.
            generator: source of the noise that some samplers add on the way.

        Returns:
            (B, Q, S, 3, 3).
        """

    @abstractmethod
    def judgement(
        self, read: Reader, seen: Tensor, points: Tensor, rotations: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logit of success and width in metres, (B, Q, S) each, of rotations (B, Q, S, 3, 3)."""

    @abstractmethod
    def flow_terms(self, seen: Tensor, goal: Tensor, generator: Generator) -> FlowTerms:
        """Predicted and true targets at noised rotations.

        Args:
            seen: (P, C) features of grasp points.
            goal: (P, M, 3, 3), a successful rotation for every sample.
            generator: source of noise and times.
        """

    def query_raw(
        self,
        features: NamedTuple,
        points: Tensor,
        outputs: tuple[str, ...] = GRASP_OUTPUTS,
        *,
        num_samples: int = 1,
        generator: Generator | None = None,
        noise: Tensor | None = None,
    ) -> GraspField:
        """Logits, rotation rows (B, Q, 2, 3) and unclamped width of the best sample at
        (B, Q, 3).

        `noise` (B, Q, S, ...) takes the place of samples of the prior; no generator stands
        for one seeded with 0.
        """
        check_points(points, outputs, self.outputs)
        read = self.reader(features)
        raw: dict[str, Tensor] = {}
        if "occupancy" in outputs:
            raw["occupancy"] = self.occupancy_at(points, read(points))
        if set(outputs) == {"occupancy"}:
            return GraspField(**raw)
        seen = self.attend(read, points)
        if "quality" in outputs:
            raw["quality"] = self.quality_at(points, seen)
        if {"rotation", "width", "confidence"} & set(outputs):
            generator = generator or Generator().manual_seed(0)
            if noise is None:
                noise = self.prior((*points.shape[:2], num_samples), generator).to(points)
            rotations = self.sample_rotations(seen, noise, generator)
            confidence, width = self.judgement(read, seen, points, rotations)
            best = confidence.argmax(-1, keepdim=True)
            best_one = {
                "rotation": pick_samples(rotations[..., :2, :], best).squeeze(2),
                "width": pick_samples(width, best).squeeze(2),
                "confidence": pick_samples(confidence, best).squeeze(2),
            }
            raw |= {name: value for name, value in best_one.items() if name in outputs}
        return GraspField(**raw)

    def training_field(
        self,
        features: NamedTuple,
        batch: Mapping[str, Tensor],
        num_samples: int,
        points_per_scene: int,
        generator: Generator,
    ) -> GraspField:
        """Quality, occupancy, judgement of every labelled yaw, and noised rotations.

        The labelled yaws that failed are the judge's negatives.
        """
        read, points = self.reader(features), batch[keys.POINTS]
        rotations = batch[keys.ROTATIONS].to(points)
        seen = self.attend(read, points)
        confidence, width = self.judgement(read, seen, points, rotations)
        success = batch[keys.YAW_SUCCESS].bool() & batch[keys.MASK].bool().unsqueeze(-1)
        chosen = choose_some(success.any(-1), points_per_scene, generator)
        goal = choose_goals(rotations[chosen], success[chosen], num_samples, generator)
        return GraspField(
            quality=self.quality_at(points, seen),
            width=width,
            occupancy=self.occupancy_at(batch[keys.OCC_POINTS], read(batch[keys.OCC_POINTS])),
            confidence=confidence,
            flow=self.flow_terms(seen[chosen], goal, generator),
        )


def choose_some(mask: Tensor, count: int, generator: Generator) -> Tensor:
    """At most `count` random entries per row of a mask (B, Q): a mask of the same shape."""
    lot = torch.rand(mask.shape, generator=generator).to(mask.device)
    rank = lot.masked_fill(~mask, -1).argsort(1).argsort(1)
    return mask & (rank >= mask.shape[1] - count)


def choose_goals(rotations: Tensor, success: Tensor, count: int, generator: Generator) -> Tensor:
    """Random successful yaws (P, count, 3, 3) of rotations (P, Y, 3, 3), success (P, Y) bool.

    Every row has a success; each of its successes is as likely as the others, time and again.
    """
    lot = torch.rand(len(success), count, generator=generator).to(success.device)
    total = success.sum(1, keepdim=True)
    number = torch.minimum((lot * total).long(), total - 1)  # 0.999... * total may round up
    order = success.int().argsort(dim=1, descending=True, stable=True)
    chosen = order.gather(1, number)
    return pick_samples(rotations, chosen)
