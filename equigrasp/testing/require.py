"""How contracts speak: an AssertionError whose message shows the figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def require(truth: bool, message: str) -> None:
    """Raise AssertionError with a message unless something is true."""
    if not truth:
        raise AssertionError(message)


def require_refusal(
    what: str, call: Callable[[], Any], kinds: tuple[type[Exception], ...] = (ValueError,)
) -> None:
    """Raise AssertionError unless a call raises an error of one of some kinds, with a message.

    Args:
        what: is refused, for the message.
        call: that has to fail.
        kinds: of errors that count.
    """
    try:
        call()
    except kinds as error:
        require(bool(str(error)), f"{what}: refused without a word")
    else:
        raise AssertionError(f"{what}: not refused")
