"""Colours and words that tasks choose from."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.random import RandomState

PALETTE = ("red", "green", "blue", "yellow", "magenta", "cyan")
"""Colours of things that sentences tell apart."""
NUMBERS = ("no", "one", "two", "three", "four", "five")
ORDINALS = ("first", "then", "finally")


def pick_colours(random: RandomState, count: int, without: Sequence[str] = ()) -> list[str]:
    """Different colours of the palette that are not in `without`."""
    left = [colour for colour in PALETTE if colour not in without]
    return [left[i] for i in random.permutation(len(left))[:count]]


def in_order(names: Sequence[str], thing: str) -> str:
    """A sequence in words: "red button, then the blue button"."""
    return ", then the ".join(f"{name} {thing}" for name in names)
