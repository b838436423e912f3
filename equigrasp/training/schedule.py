"""Learning rate and weight averaging as functions of the step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

SCHEDULES = ("cosine", "step", "constant")
"""Half a cosine; a factor at each of some shares of the run; the peak throughout."""


def learning_rate(
    step: int,
    *,
    peak: float,
    warmup: int,
    total: int,
    floor: float = 0.0,
    schedule: str = "cosine",
    decay_at: Sequence[float] = (),
    decay_factor: float = 1.0,
) -> float:
    """Linear warm-up to `peak`, then by a schedule; "cosine" ends at `floor * peak`.

    Args:
        step: optimiser steps done before this one, from 0.
        peak: largest rate.
        warmup: steps of warm-up; the first step already has a rate above zero.
        total: steps of the whole run; later steps keep the floor.
        floor: final rate as a share of the peak, in [0, 1]; of "cosine".
        schedule: one of `SCHEDULES`.
        decay_at: shares of the whole run after each of which "step" multiplies the rate by
            `decay_factor`.
        decay_factor: see there.

    Returns:
        The rate of this step.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    if schedule != "cosine":
        passed = sum(step >= share * total for share in decay_at) if schedule == "step" else 0
        return peak * decay_factor**passed
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Exponential moving average of the parameters, in place; buffers are copied.

    Early on the decay is `(1 + step) / (10 + step)` where that is smaller, so that the average
    forgets the initialisation.

    Args:
        average: a model of the same build, overwritten.
        model: the model being trained.
        decay: share of the old average kept per step, in [0, 1).
        step: optimiser steps done so far, including the one just made.
    """
    weight = 1 - min(decay, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), weight)
    target = dict(average.named_buffers())
    for name, buffer in model.named_buffers():
        if name in target:
            target[name].copy_(buffer)
