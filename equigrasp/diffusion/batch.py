"""Shapes of a two-level batch; the only place that knows the order of repetition.

Conditions are (B, ...), samples (B, M, ...). Where a module wants one leading axis, sample j of
condition i is row i * M + j (condition-major). Nothing else in the package repeats or flattens,
which `tests/test_architecture.py` checks. A grasp model has a level above: its conditions are the
query points of scenes, (B, Q, ...), hence `levels`.
After "Mini Diffuser" (arXiv 2505.09430), section on two-level batches.
"""

from __future__ import annotations

from torch import Tensor


def repeat_conditions(x: Tensor, samples: int, levels: int = 1) -> Tensor:
    """Give every sample its condition: (B, ...) -> (B, M, ...), without copying.

    Args:
        x: conditions (B, ...), or (B, Q, ...) with two levels.
        samples: M, of each condition.
        levels: leading axes that count conditions; the samples' axis follows them.

    Raises:
        ValueError: fewer than one sample.
    """
    if samples < 1:
        raise ValueError(f"samples is {samples}; every condition needs at least one")
    return x.unsqueeze(levels).expand(*x.shape[:levels], samples, *x.shape[levels:])


def flatten_samples(x: Tensor) -> Tensor:
    """(B, M, ...) -> (B * M, ...), condition-major.

    Raises:
        ValueError: fewer than two axes.
    """
    if x.dim() < 2:
        raise ValueError(f"samples have shape {tuple(x.shape)}; give (B, M, ...)")
    return x.flatten(0, 1)


def unflatten_samples(x: Tensor, conditions: int) -> Tensor:
    """(B * M, ...) -> (B, M, ...), the inverse of `flatten_samples`.

    Raises:
        ValueError: the rows cannot be shared out equally among the conditions.
    """
    if conditions < 1 or x.shape[0] % conditions:
        raise ValueError(
            f"{x.shape[0]} rows cannot be shared among {conditions} conditions; samples are padded "
            "to the same number M per condition, with a mask for what is padding"
        )
    return x.unflatten(0, (conditions, -1))


def replicate_conditions(x: Tensor, samples: int) -> Tensor:
    """Every condition as often as it has samples, (B, ...) -> (B * M, ...): one level instead of
    two, for what has no second one.

    Raises:
        ValueError: fewer than one sample.
    """
    return flatten_samples(repeat_conditions(x, samples))


def pick_samples(x: Tensor, index: Tensor) -> Tensor:
    """Some samples of every condition.

    Args:
        x: samples (*conditions, M, ...).
        index: (*conditions, K) int64, which of them.

    Returns:
        (*conditions, K, ...).
    """
    axis = index.dim() - 1
    wanted = index[(...,) + (None,) * (x.dim() - index.dim())]
    return x.gather(axis, wanted.expand(*index.shape, *x.shape[index.dim() :]))


def sample_mean(error: Tensor) -> Tensor:
    """Mean of errors (B, M, ...) over all samples: every condition counts alike, having as many.

    Zero, but connected to what it was computed from, where there is no condition.
    """
    return error.mean() if error.numel() else error.sum()
