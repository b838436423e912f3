"""Success over a grid of objects: rows of complexity, columns of difficulty."""

from __future__ import annotations

from collections.abc import Mapping

from sim.objects.adversarial import cell_of

Counts = dict[str, int]


def per_cell(per_object: Mapping[str, Mapping[str, int]]) -> dict[str, Counts]:
    """How often objects of each cell were present and were cleared.

    Args:
        per_object: the same by object, see `sim.clutter.metrics.per_object`.

    Returns:
        Cell, such as "C3", -> "present" and "cleared"; empty unless every object lies in a cell.
    """
    found: dict[str, Counts] = {}
    for name, counts in sorted(per_object.items(), key=lambda entry: cell_of(entry[0])):
        cell = cell_of(name)
        if not cell:
            return {}
        entry = found.setdefault(cell, {"present": 0, "cleared": 0})
        for key in entry:
            entry[key] += counts[key]
    return found


def grid(cells: Mapping[str, Counts]) -> tuple[list[str], list[int]]:
    """Letters (rows) and numbers (columns) of the cells, in order."""
    return sorted({cell[0] for cell in cells}), sorted({int(cell[1:]) for cell in cells})


def markdown(cells: Mapping[str, Counts]) -> str:
    """Table of the grid, cleared/present; empty without cells."""
    if not cells:
        return ""
    letters, numbers = grid(cells)
    lines = [
        "Objects cleared, of those present; rows are complexity, columns difficulty:",
        "",
        f"| | {' | '.join(map(str, numbers))} |",
        "|---" * (1 + len(numbers)) + "|",
    ]
    for letter in letters:
        row = (cells.get(f"{letter}{number}") for number in numbers)
        texts = ("" if entry is None else f"{entry['cleared']}/{entry['present']}" for entry in row)
        lines.append(f"| {letter} | {' | '.join(texts)} |")
    return "\n".join(lines)
