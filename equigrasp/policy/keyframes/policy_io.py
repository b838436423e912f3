"""What goes into a policy and what comes out, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Observations(NamedTuple):
    """A batch of what is seen and asked for.

    Attributes:
        xyz: (B, N, 3) metres in the world.
        rgb: (B, N, 3) in [-1, 1].
        mask: (B, N) bool, True for points.
        state: (B, 8) pose of the tip (xyz, quaternion xyzw) and whether the gripper is open.
        sentences: B of them.
    """

    xyz: Tensor
    rgb: Tensor
    mask: Tensor
    state: Tensor
    sentences: Sequence[str]


class Actions(NamedTuple):
    """The next keyframes of a batch.

    Attributes:
        position: (B, 3) metres.
        bins: (B, 3) of the rotation, see `rotation_bins`.
        open: (B,) 1 or 0.
    """

    position: Tensor
    bins: Tensor
    open: Tensor


def check_observations(seen: Observations) -> None:
    """Refuse a batch whose parts do not belong together.

    Raises:
        ValueError: a part of another shape or length than the others, or a mask that is not bool.
    """
    batch, points = seen.xyz.shape[:2] if seen.xyz.dim() == 3 else (0, 0)
    wanted = {
        "xyz": (batch, points, 3),
        "rgb": (batch, points, 3),
        "mask": (batch, points),
        "state": (batch, 8),
    }
    for name, shape in wanted.items():
        found = tuple(getattr(seen, name).shape)
        if found != shape or not batch:
            raise ValueError(f"{name} has shape {found}; with xyz (B, N, 3) it has to be {shape}")
    if seen.mask.dtype != torch.bool:
        raise ValueError(f"mask is of type {seen.mask.dtype}; give bool, True for points")
    if len(seen.sentences) != batch:
        raise ValueError(f"{len(seen.sentences)} sentences for {batch} observations; give one each")
