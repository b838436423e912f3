"""What goes into a chunk policy and what comes out, in batches and in units of the network.

Places in the square of 512 pixels become numbers from -1 to 1. The published code takes the
smallest and the largest of its data for that; the square itself does not depend on the data.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equigrasp.policy.replays.tee import SIDE

ACTION = 2
"""Numbers of an action: where the agent is sent."""
SEES = ("state", "image")
STATE_SIZES = {"state": 18, "image": 2}
"""Numbers beside the picture: agent and corners of the T, or the agent alone."""
P = TypeVar("P", Tensor, NDArray)


class Observed(NamedTuple):
    """A batch of what was seen lately.

    Attributes:
        state: (B, O, S) the last O states, the latest last, normalised.
        image: (B, O, 3, H, W) in [0, 1], None for a policy that sees the state.
    """

    state: Tensor
    image: Tensor | None


def normalised(pixels: P) -> P:
    """Places (...) in the square as numbers from -1 to 1."""
    return pixels / (SIDE / 2) - 1


def pixels(numbers: P) -> P:
    """The inverse of `normalised`."""
    return (numbers + 1) * (SIDE / 2)


def image_tensor(images: NDArray[np.uint8]) -> Tensor:
    """Pictures (..., H, W, 3) as (..., 3, H, W) in [0, 1], float32."""
    return torch.as_tensor(images).movedim(-1, -3).float() / 255


def check_observed(seen: Observed, sees: str, observed: int, crop: int) -> None:
    """Refuse a batch that a policy cannot take.

    Args:
        seen: the batch.
        sees: what the policy looks at, one of `SEES`.
        observed: O.
        crop: smallest side of a picture.

    Raises:
        ValueError: another shape than it has to have, or no picture.
    """
    wanted = (observed, STATE_SIZES[sees])
    if seen.state.dim() != 3 or tuple(seen.state.shape[1:]) != wanted:
        raise ValueError(f"state has shape {tuple(seen.state.shape)}; give (B, {wanted})")
    if sees == "state":
        return
    if seen.image is None:
        raise ValueError("this policy looks at pictures; give Observed(state, image)")
    shape = tuple(seen.image.shape)
    if len(shape) != 5 or shape[:3] != (len(seen.state), observed, 3) or min(shape[3:]) < crop:
        raise ValueError(
            f"image has shape {shape}; give ({len(seen.state)}, {observed}, 3, H, W) with sides "
            f"of at least {crop}"
        )
