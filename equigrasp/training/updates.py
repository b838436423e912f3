"""A step of an optimiser that learns from what it tried, and what a series of them told."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def improve(loss: Tensor, optimizer: torch.optim.Optimizer, grad_clip: float) -> None:
    """One step of an optimiser.

    Args:
        loss: scalar, to be minimised.
        optimizer: of what learns.
        grad_clip: largest norm of all gradients together.

    Raises:
        FloatingPointError: the gradient is not finite.
    """
    optimizer.zero_grad()
    loss.backward()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    norm = nn.utils.clip_grad_norm_(parameters, grad_clip)
    if not torch.isfinite(norm):
        raise FloatingPointError("a gradient is not finite; lower --learning-rate")
    optimizer.step()


def mean_update(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means of what updates told, and their number, `updates`.

    Args:
        rows: of at least one update.
    """
    means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    return {**means, "updates": float(len(rows))}
