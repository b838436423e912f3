"""One broken input, and how it has to be refused."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Case(NamedTuple):
    """A broken input.

    Attributes:
        name: unique within its kind.
        run: makes the input in an empty folder and uses it.
        says: pattern that the refusal's message has to match.
        error: class of the refusal; subclasses count, except those that Python raises by itself.
    """

    name: str
    run: Callable[[Path], Any]
    says: str
    error: type[Exception] = ValueError


RAW = (UnicodeError, OverflowError)
"""Subclasses of what is asked for that nobody wrote a sentence for."""


def told(case: Case, folder: Path) -> str:
    """What is wrong with a refusal; empty if the input is refused by its sentence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = case.run(folder)
    except case.error as error:
        if isinstance(error, RAW):
            return f"raw {type(error).__name__}: {error}"
        if re.search(case.says, str(error), re.DOTALL):
            return ""
        return f"another sentence than {case.says!r}: {error}"
    except Exception as error:
        return f"raw {type(error).__name__}: {error}"
    return f"accepted: {result!r}"[:300]
