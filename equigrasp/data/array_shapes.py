"""Shapes in which letters stand for lengths that only have to agree with each other."""

from __future__ import annotations

from collections.abc import Sequence

ArrayShape = tuple[int | str, ...]
"""For instance ("V", 4, 4): any number of matrices, the same number wherever "V" stands."""


def misfit(
    shape: Sequence[int], expected: ArrayShape, lengths: dict[str, int]
) -> ArrayShape | None:
    """Compare a shape with what is expected of it.

    Args:
        shape: of an array.
        expected: its numbers have to be met, its letters stand for any length.
        lengths: what letters have stood for so far; those of a shape that fits are added.

    Returns:
        None if it fits, otherwise what was expected with the known lengths in place.
    """
    found = dict(lengths)
    fits = len(shape) == len(expected) and all(
        (found.setdefault(want, have) if isinstance(want, str) else want) == have
        for want, have in zip(expected, shape, strict=True)
    )
    if fits:
        lengths.update(found)
        return None
    return tuple(lengths.get(n, n) if isinstance(n, str) else n for n in expected)
