"""Shapes of a two-level batch; the only place that knows the order of repetition.

Conditions are (B, ...), samples (B, M, ...). Where a module wants one leading axis, sample j of
condition i is row i * M + j (condition-major). Nothing else in the package repeats or flattens.
After "Mini Diffuser" (arXiv 2505.09430), section on two-level batches.
"""

from __future__ import annotations

from torch import Tensor


def repeat_conditions(x: Tensor, samples: int) -> Tensor:
    """Give every sample its condition: (B, ...) -> (B, M, ...), without copying.

    Raises:
        ValueError: fewer than one sample.
    """
    if samples < 1:
        raise ValueError(f"samples is {samples}; every condition needs at least one")
    return x.unsqueeze(1).expand(x.shape[0], samples, *x.shape[1:])


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
