"""What goes into a policy and what comes out, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor


class Observations(NamedTuple):
    """A batch of what is seen and asked for.

    Attributes:
        xyz: (B, N, 3) metres in the world. rgb: (B, N, 3) in [-1, 1]. mask: (B, N) bool.
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
