"""Validation metrics as pure functions on tensors; no state, no model, no files.

Ranking metrics follow the usual definitions (tied scores count as one threshold), rotation errors
know that a parallel jaw turned by half a turn about its approach is the same grasp.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from equigrasp.geometry.rotations import symmetric_geodesic_distance


def average_precision(scores: Tensor, labels: Tensor) -> float:
    """Area under the precision-recall curve as a step function, `sum (R_n - R_{n-1}) P_n`.

    Args:
        scores: (n,) real, larger means "more likely a success".
        labels: (n,) bool or 0/1.

    Returns:
        A number in [0, 1]; NaN if there is no positive label.
    """
    scores, labels = _checked(scores, labels)
    positives = labels.sum()
    if positives == 0:
        return math.nan
    order = torch.argsort(scores, descending=True, stable=True)
    ranked = scores[order]
    hits = labels[order].cumsum(0)
    # Equal scores are one threshold: only the last entry of each run of ties is a point.
    last_of_tie = torch.ones_like(ranked, dtype=torch.bool)
    last_of_tie[:-1] = ranked[1:] != ranked[:-1]
    count = torch.arange(1, len(ranked) + 1, dtype=torch.float64)[last_of_tie]
    hits = hits[last_of_tie]
    precision = hits / count
    gained = torch.diff(hits, prepend=hits.new_zeros(1))
    return float((gained * precision).sum() / positives)


def auroc(scores: Tensor, labels: Tensor) -> float:
    """Probability that a random positive scores above a random negative (ties count half).

    Args:
        scores: (n,) real.
        labels: (n,) bool or 0/1.

    Returns:
        A number in [0, 1]; NaN unless both classes are present.
    """
    scores, labels = _checked(scores, labels)
    positives = float(labels.sum())
    negatives = float(len(labels) - positives)
    if positives == 0 or negatives == 0:
        return math.nan
    _, inverse, counts = torch.unique(scores, return_inverse=True, return_counts=True)
    upper = counts.cumsum(0).double()
    mean_rank = upper - (counts.double() - 1) / 2
    rank_sum = (mean_rank[inverse] * labels).sum()
    return float((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))


def rotation_error(predicted: Tensor, targets: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
    """Angle to the nearest allowed target rotation, counting R and R Rz(pi) as equal.

    Args:
        predicted: (..., 3, 3) rotations.
        targets: (..., K, 3, 3) rotations, one per yaw.
        allowed: (..., K) bool, yaws that succeeded; each row needs at least one.

    Returns:
        (angle (...) in radians within [0, pi], index (...) of the nearest allowed yaw).

    Raises:
        ValueError: if some row allows no target.
    """
    if not bool(allowed.any(-1).all()):
        raise ValueError(
            "rotation_error needs at least one allowed yaw per row; select the rows whose label "
            "is positive first"
        )
    angle = symmetric_geodesic_distance(predicted.unsqueeze(-3), targets)
    angle = angle.masked_fill(~allowed, math.inf)
    return angle.min(-1)


def width_error(predicted: Tensor, targets: Tensor, yaw: Tensor) -> Tensor:
    """Absolute error of the opening at the chosen yaw.

    Args:
        predicted: (...) metres.
        targets: (..., K) metres, one per yaw.
        yaw: (...) index of the yaw, as `rotation_error` returns it.

    Returns:
        (...) metres.
    """
    return (predicted - targets.gather(-1, yaw.unsqueeze(-1)).squeeze(-1)).abs()


def intersection_over_union(predicted: Tensor, target: Tensor) -> float:
    """Intersection over union of two sets given as boolean tensors of equal shape.

    Two empty sets agree: the result is then 1.
    """
    union = (predicted | target).sum()
    if union == 0:
        return 1.0
    return float((predicted & target).sum() / union)


def _checked(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise ValueError(
            f"scores {tuple(scores.shape)} and labels {tuple(labels.shape)} must be 1-D and equal "
            "in length; flatten them first"
        )
    if not bool(torch.isfinite(scores).all()):
        raise ValueError("scores contain NaN or infinity; the model has diverged")
    return scores.detach().double().cpu(), labels.detach().double().cpu()
