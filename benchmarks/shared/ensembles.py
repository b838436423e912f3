"""A grasp model that looks at a scene more than once, each time a little different."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

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
        theta = tsdf.new_tensor([[c, -s, 0.0], [s, c, 0.0]]).expand(len(tsdf), -1, -1)
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
