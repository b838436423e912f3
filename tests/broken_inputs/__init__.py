"""Broken inputs, each with the sentence that refuses it: one table, a module per kind.

A new entry is a `Case` in a module of `kinds`, or a new module with a list `CASES`.
`tests/test_broken_inputs.py` runs them all.
"""

from __future__ import annotations

import importlib
import pkgutil

from broken_inputs import kinds
from broken_inputs.case import Case, told


def all_cases() -> dict[str, Case]:
    """Every case by its kind and name."""
    found = {}
    for module in pkgutil.iter_modules(kinds.__path__):
        for case in importlib.import_module(f"broken_inputs.kinds.{module.name}").CASES:
            name = f"{module.name}/{case.name}"
            if name in found:
                raise ValueError(f"there are two cases called {name}")
            found[name] = case
    return found
