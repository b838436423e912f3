"""What goes into a policy and what comes out, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor


class Observations(NamedTuple):
    """A batch of what is seen and asked for.

    Attributes:
        xyz: (B, N, 3) metres in the world.
        rgb: (B, N, 3) in [-1, 1].
        mask: (B, N) bool, True for points.
        state: (B, 8) pose of the tip (xyz, quaternion xyzw) and whether the gripper is open.
        sentences: B of them.
        past: (B, K, 8) like `state`, at earlier keyframes and at the start of the episode, newest
            first; None where the policy does not read them.
        past_mask: (B, K) bool, True for keyframes that there were.
    """

    xyz: Tensor
    rgb: Tensor
    mask: Tensor
    state: Tensor
    sentences: Sequence[str]
    past: Tensor | None = None
    past_mask: Tensor | None = None

    def rows(self, chosen: slice) -> Observations:
        """Some of the observations."""
        return Observations(*(None if part is None else part[chosen] for part in self))


class Actions(NamedTuple):
    """The next keyframes of a batch.

    Attributes:
        position: (B, 3) metres.
        bins: (B, 3) angles of the rotation in bins, see `rotation_bins`.
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
    if seen.past is not None:
        past = seen.past.shape[1] if seen.past.dim() == 3 else 0
        wanted |= {"past": (batch, past, 8), "past_mask": (batch, past)}
    for name, shape in wanted.items():
        part = getattr(seen, name)
        found = None if part is None else tuple(part.shape)
        if found != shape or not batch:
            raise ValueError(f"{name} has shape {found}; with xyz (B, N, 3) it has to be {shape}")
    if seen.mask.dtype != torch.bool:
        raise ValueError(f"mask is of type {seen.mask.dtype}; give bool, True for points")
    if len(seen.sentences) != batch:
        raise ValueError(f"{len(seen.sentences)} sentences for {batch} observations; give one each")


def pad_past(past: ArrayLike, count: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The latest keyframes as `past` (`count`, 8) and `past_mask` (`count`,) of an observation.

    Args:
        past: (K, 8) any number of states, newest first.
        count: so many are kept; where there are fewer, the rest is zero and masked.
    """
    latest = np.asarray(past, np.float32).reshape(-1, 8)[:count]
    padded = np.zeros((count, 8), np.float32)
    padded[: len(latest)] = latest
    return padded, np.arange(count) < len(latest)
