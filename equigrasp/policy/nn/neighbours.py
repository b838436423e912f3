"""Which points of a cloud can be neighbours of some that lie beside each other in its order."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor


def near_blocks(x: Tensor, reach: float, rows: int) -> Iterator[tuple[slice, Tensor]]:
    """Blocks of `rows` points and, for each, indices (K,) of all points within its box and `reach`
    around it, in order.

    Args:
        x: (N, 3); near points in the order should be near in space, or all are in every box.
        reach: in the unit of `x`.
        rows: few take more time to find neighbours of than they save, many lie in a larger box.
    """
    for start in range(0, len(x), rows):
        own = slice(start, start + rows)
        low, high = x[own].amin(0) - reach, x[own].amax(0) + reach
        yield own, ((x >= low) & (x <= high)).all(1).nonzero().squeeze(1)
