"""What a saved policy may lack and learn later: a memory, and what points see in their own colour.

Until it is learned, what is new says nothing: the weights by which it enters a policy are zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LACKING: dict[str, Any] = {"past": 0, "alike": False}
"""Options of a policy that lacks them."""
PAST, SAID = "past.", "past.read.2."
"""What names of a policy's weights of `PastKeyframes` begin with, and those by which its tokens
enter."""
ENTRANCE = "points.in_projection.0.weight"
"""Name of the weights by which all that is known of points enters."""


def added_options(wanted: Mapping[str, Any], saved: Mapping[str, Any]) -> set[str]:
    """Options of `LACKING` that are wanted and that a saved policy lacks."""
    return {
        name
        for name, lacking in LACKING.items()
        if name in wanted and wanted[name] != saved.get(name) == lacking
    }


def grown_weights(saved: nn.Module, grown: nn.Module) -> dict[str, Tensor]:
    """Weights of a saved policy, for one that has more of `LACKING` and is otherwise alike.

    Args:
        saved: the policy without.
        grown: the one with it, initialised.
    """
    tensors, fresh = saved.state_dict(), grown.state_dict()
    if not any(name.startswith(PAST) for name in tensors):
        tensors |= {name: new for name, new in fresh.items() if name.startswith(PAST)}
        said = [name for name in tensors if name.startswith(SAID)]
        tensors |= {name: torch.zeros_like(tensors[name]) for name in said}
    known = tensors[ENTRANCE], saved.points.described, grown.points.described
    return tensors | {ENTRANCE: widened(*known)}


def widened(weight: Tensor, had: Sequence[int], has: Sequence[int]) -> Tensor:
    """Weights (C, sum of `has`) of inputs of several kinds, of which there were `had`: the new ones
    of a kind come last and count nothing."""
    parts = weight.split(list(had), 1)
    return torch.cat(
        [F.pad(part, (0, more - part.shape[1])) for part, more in zip(parts, has, strict=True)], 1
    )
