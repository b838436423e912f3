"""Kinds of clutter scenes. A new kind is a new file here with a `SceneKind` in it.

They import no simulator, so that commands can list them.
"""

from __future__ import annotations

import sys

from equigrasp.discovery import found_values
from sim.scene.kind import SceneKind


def scene_kinds() -> dict[str, SceneKind]:
    """All kinds by name."""
    return found_values(sys.modules[__name__], SceneKind)


def find_kind(name: str) -> SceneKind:
    """The kind of a name.

    Raises:
        ValueError: if there is none.
    """
    kinds = scene_kinds()
    if name not in kinds:
        raise ValueError(f"no scene kind is called '{name}'; choose one of {', '.join(kinds)}")
    return kinds[name]
