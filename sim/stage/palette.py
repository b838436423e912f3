"""Colours and words that tasks choose from."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.random import RandomState

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.9, 0.1, 0.1),
    "maroon": (0.5, 0.0, 0.0),
    "lime": (0.3, 0.95, 0.2),
    "green": (0.0, 0.5, 0.1),
    "blue": (0.1, 0.2, 0.9),
    "navy": (0.0, 0.0, 0.45),
    "yellow": (0.95, 0.9, 0.1),
    "cyan": (0.1, 0.9, 0.9),
    "magenta": (0.9, 0.1, 0.8),
    "orange": (0.98, 0.55, 0.05),
    "olive": (0.5, 0.5, 0.05),
    "purple": (0.45, 0.05, 0.6),
    "teal": (0.0, 0.5, 0.5),
    "azure": (0.2, 0.6, 0.98),
    "violet": (0.75, 0.5, 0.95),
    "rose": (0.98, 0.4, 0.6),
    "gray": (0.5, 0.5, 0.5),
    "black": (0.08, 0.08, 0.08),
    "white": (0.97, 0.97, 0.97),
    "silver": (0.76, 0.78, 0.8),
}
"""Red, green, blue in [0, 1] by the names that sentences use: RLBench's twenty."""
PALETTE = ("red", "green", "blue", "yellow", "magenta", "cyan")
"""Colours of things that sentences tell apart."""
NUMBERS = ("no", "one", "two", "three", "four", "five")
"""Words for 0 to 5."""


def pick_colours(random: RandomState, count: int, without: Sequence[str] = ()) -> list[str]:
    """Names of `count` different colours of `PALETTE` that are not in `without`, drawn anew."""
    left = [colour for colour in PALETTE if colour not in without]
    return [left[i] for i in random.permutation(len(left))[:count]]


def in_order(names: Sequence[str], thing: str) -> str:
    """A sequence in words: "red button, then the blue button"."""
    return ", then the ".join(f"{name} {thing}" for name in names)
