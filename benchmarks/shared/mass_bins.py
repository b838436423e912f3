"""Bins of mass, and what full trials say of labels in each."""

from __future__ import annotations

from collections import Counter
from typing import Any

MASS_BINS = ((0.0, 0.1), (0.1, 0.5), (0.5, 1.0), (1.0, float("inf")))
"""Lower and upper bounds in kg."""


def bin_name(mass: float) -> str:
    """Name of the bin that a mass in kg lies in."""
    low, high = next(b for b in MASS_BINS if b[0] <= mass < b[1])
    return f"> {low:g} kg" if high == float("inf") else f"{low:g} to {high:g} kg"


def holding_rows(by_bin: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    """Shares of every bin, light ones first; None where nothing was tried."""
    rows = []
    for low, _ in MASS_BINS:
        name = bin_name(low)
        n = Counter(by_bin.get(name, {}))
        tried = n["good"] + n["bad"]
        rows.append(
            {
                "mass": name,
                "good": n["good"],
                "good_holds": n["good_holds"] / n["good"] if n["good"] else None,
                "bad": n["bad"],
                "bad_holds": n["bad_holds"] / n["bad"] if n["bad"] else None,
                "reference_agrees": n["reference_agrees"] / tried if tried else None,
            }
        )
    return rows
