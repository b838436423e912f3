"""Means over ragged two-level batches."""

from __future__ import annotations

import torch
from torch import Tensor

NORMS = ("l1", "l2")
WEIGHTS = ("sample", "condition")


def two_level_loss(
    predicted: Tensor,
    target: Tensor,
    mask: Tensor | None = None,
    *,
    norm: str = "l2",
    weight: str = "sample",
) -> Tensor:
    """Mean error of samples.

    Args:
        predicted, target: (B, M, ...).
        mask: (B, M) bool, False for padding; None if there is none.
        norm: "l1" (absolute) or "l2" (squared), averaged over the trailing axes.
        weight: "sample" counts all samples alike, "condition" all conditions alike, however many
            samples they have. Conditions without a sample do not count.

    Returns:
        a scalar; zero, with gradients, if every sample is padding.

    Raises:
        ValueError: unknown norm or weight, or shapes that differ.
    """
    if norm not in NORMS or weight not in WEIGHTS:
        raise ValueError(f"norm={norm!r}, weight={weight!r}; choose from {NORMS} and {WEIGHTS}")
    if predicted.shape != target.shape:
        raise ValueError(f"shapes differ: {tuple(predicted.shape)} and {tuple(target.shape)}")
    gap = predicted - target
    error = gap.abs() if norm == "l1" else gap.square()
    error = error.flatten(2).mean(-1) if error.dim() > 2 else error
    present = torch.ones_like(error) if mask is None else mask.to(error.dtype)
    error = torch.where(present > 0, error, error.new_zeros(()))  # padding may hold anything
    if weight == "condition":
        count = present.sum(1)
        mean = error.sum(1) / count.clamp(min=1)
        return mean.sum() / (count > 0).sum().clamp(min=1)
    return error.sum() / present.sum().clamp(min=1)
