"""Grasp models that look at a scene, or at a hand, more than once, each time a little different."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from equigrasp.geometry.rotations import rotation_exp
from equigrasp.models.base import GraspField, GraspModel


class Look(NamedTuple):
    """A motion of the scene.

    Attributes:
        volume: of TSDFs (B, N, N, N).
        points: of normalised points (B, Q, 3).
    """

    volume: Callable[[Tensor], Tensor]
    points: Callable[[Tensor], Tensor]


def mirrored() -> Look:
    """The scene in a mirror that stands upright: models know quarter turns, not reflections."""
    return Look(lambda tsdf: tsdf.flip(1), lambda at: at * at.new_tensor([-1.0, 1.0, 1.0]))


def yawed(degrees: float) -> Look:
    """The scene turned a little about the vertical, as by a camera whose pose is a little wrong.

    Turns about one axis commute, so an exact model stays exact.
    """
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def points(at: Tensor) -> Tensor:
        x, y, z = at.unbind(-1)
        return torch.stack([c * x - s * y, s * x + c * y, z], -1)

    def volume(tsdf: Tensor) -> Tensor:
        # Layers at a height are images over (x, y): what is there now was turned there.
        theta = tsdf.new_tensor([[c, -s, 0.0], [s, c, 0.0]]) + tsdf.new_zeros(len(tsdf), 1, 1)
        images = tsdf.permute(0, 3, 1, 2)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        turned = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
        return turned.permute(0, 2, 3, 1).contiguous()

    return Look(volume, points)


class Averaged:
    """A model whose quality is the mean, in logits, of that of a scene and of other looks at it.

    Rotations, widths and what a judge says are those of the scene itself.

    Args:
        model: the model.
        looks: beside the scene itself.
    """

    def __init__(self, model: GraspModel, *looks: Look) -> None:
        self.model, self.looks = model, looks

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def encode(self, tsdf: Tensor) -> Any:
        """Features of one scene (1, N, N, N) and of the looks at it, in one batch."""
        return self.model.encode(torch.cat([tsdf, *(look.volume(tsdf) for look in self.looks)]))

    def query(
        self, features: Any, points: Tensor, outputs: tuple[str, ...], **how: Any
    ) -> GraspField:
        """As `GraspModel.query` of one scene."""
        own = type(features)(*(each[:1] for each in features))
        more = tuple(name for name in outputs if name != "quality")
        found = self.model.query(own, points, more, **how) if more else GraspField()
        if "quality" not in outputs:
            return found
        places = torch.cat([points, *(look.points(points) for look in self.looks)])
        quality = self.model.query(features, places, ("quality",)).quality
        return found._replace(quality=quality.logit(1e-6).mean(0, keepdim=True).sigmoid())


class Turned:
    """A model with one rotation per point, whose judge chooses among that and others a little off.

    The hands are turned in their own frame, by `degrees` either way about each of its axes. So they
    turn with the scene, and an exact model stays exact.

    Args:
        model: with a judge (`judged_at`, `verdict`).
        degrees: the angle.
        margin: in logits, by which another hand has to be better than the model's own.
    """

    def __init__(self, model: GraspModel, degrees: float, margin: float = 0.0) -> None:
        self.model, self.margin = model, margin
        angle = math.radians(degrees)
        vectors = angle * torch.cat([torch.eye(3), -torch.eye(3)])
        self.turns = torch.cat([torch.eye(3)[None], rotation_exp(vectors)])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def query(
        self, features: Any, points: Tensor, outputs: tuple[str, ...], **how: Any
    ) -> GraspField:
        """As `GraspModel.query`; rotation and confidence are those of the hand that was chosen."""
        field = self.model.query(features, points, outputs, **how)
        if field.rotation is None or field.confidence is None:
            return field
        hands = field.rotation.unsqueeze(2) @ self.turns.to(field.rotation)
        judged, _ = self.model.judged_at(features, points, hands)
        logits = self.model.verdict(judged)[0]
        best = logits - self.margin * (torch.arange(len(self.turns)) > 0).to(logits)
        chosen = best.argmax(2, keepdim=True)
        rotation = torch.take_along_dim(hands, chosen[..., None, None], 2)
        return field._replace(
            rotation=rotation.squeeze(2), confidence=logits.gather(2, chosen).squeeze(2).sigmoid()
        )
