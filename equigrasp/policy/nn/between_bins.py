"""Angles between bins: five degrees are too coarse for a hook at the end of a stick.

An angle between the middles of two bins is learned as both, each by how near it is, and read as the
mean around the likeliest bin. The published policy learns and reads whole bins.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 2
"""Bins on either side of the likeliest one that count when an angle is read."""


def whole_bins(bins: Tensor, count: int) -> Tensor:
    """The nearest of `count` bins (...), as numbers of classes, of angles (...) in bins."""
    return bins.round().long().remainder(count)


def bin_loss(logits: Tensor, bins: Tensor, *, between: bool) -> Tensor:
    """Mean cross-entropy of angles, a scalar.

    Args:
        logits: (..., K) of the bins of a circle.
        bins: (...) angles in bins, in [0, K].
        between: whether an angle is both of its neighbours in shares; else the nearest one.
    """
    count = logits.shape[-1]
    if not between:
        return F.cross_entropy(logits.flatten(0, -2), whole_bins(bins, count).flatten())
    below = bins.floor()
    share = (bins - below).to(logits)
    said = logits.log_softmax(-1)
    low, high = (
        said.gather(-1, whole_bins(side, count).unsqueeze(-1)).squeeze(-1)
        for side in (below, below + 1)
    )
    return -((1 - share) * low + share * high).mean()


def read_bins(logits: Tensor, *, between: bool) -> Tensor:
    """Angles (...) in bins, in [0, K), of the logits (..., K) of a circle's bins.

    Args:
        logits: see `bin_loss`.
        between: whether the mean around the likeliest bin is read; else that bin.
    """
    likeliest, count = logits.argmax(-1), logits.shape[-1]
    if not between:
        return likeliest.to(logits)
    aside = torch.arange(-REACH, REACH + 1, device=logits.device)
    near = logits.gather(-1, (likeliest.unsqueeze(-1) + aside).remainder(count)).softmax(-1)
    read = (likeliest + (near * aside).sum(-1)).remainder(count)
    return torch.where(read < count, read, 0.0)
