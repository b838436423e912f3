"""How much programs make by default, and the variable that shrinks all of it for a quick look."""

from __future__ import annotations

import os

VARIABLE = "EQUIGRASP_SIZE"
HELP = (
    f"{VARIABLE}=0.03 in the environment makes every default number of scenes, episodes and rounds "
    "that share of itself, for a look that takes minutes; numbers on the command line stay"
)
"""For the help of programs."""


def default_size(count: int, least: int = 1) -> int:
    """A default number, shrunk as the environment asks.

    Args:
        count: the number without the variable.
        least: below which it does not shrink.

    Raises:
        ValueError: the variable is no share above 0 and up to 1.
    """
    text = os.environ.get(VARIABLE, "1")
    try:
        share = float(text)
    except ValueError:
        share = float("nan")
    if not 0.0 < share <= 1.0:
        raise ValueError(f"{VARIABLE} is '{text}'; give a share above 0 and up to 1, or unset it")
    return max(least, round(count * share))
