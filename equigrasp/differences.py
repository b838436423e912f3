"""Where two trees of plain values differ, such as the settings of two runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def differing_entries(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Leaves that differ, by name: (path of names, old value, new value); what is absent is None.

    Args:
        old, new: values by name; mappings within them are gone through, anything else is a leaf.
    """
    for name in sorted({*old, *new}):
        first, second = old.get(name), new.get(name)
        if isinstance(first, Mapping) and isinstance(second, Mapping):
            for path, a, b in differing_entries(first, second):
                yield (name, *path), a, b
        elif first != second:
            yield (name,), first, second
