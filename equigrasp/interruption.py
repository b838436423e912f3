"""How a program ends that Ctrl-C interrupts: one sentence, and a status that says so."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


def caught() -> None:
    """An interruption was caught, and the program decides how it ends.

    One that arrives within the `exec` of a text (named tuples, data classes and lazy imports make
    such) is remembered by the interpreter: `python -m` would kill itself in the end, whatever
    status it was given. Any further text makes it forget.
    """
    exec("")


def interrupted(sentence: str) -> int:
    """Tell on stderr what an interruption means, and return the status to end with.

    Args:
        sentence: for a person, for instance "the same command goes on from here".
    """
    caught()
    print(f"\ninterrupted; {sentence}", file=sys.stderr)
    return INTERRUPTED
