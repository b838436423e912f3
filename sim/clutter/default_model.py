"""The planner of an evaluation whose command names none."""

from __future__ import annotations

import sys

from equigrasp.weights import shipped_names
from sim.scene.kinds import find_kind

BEST = "equiigd"
"""Ahead of the other shipped ones on every kind of scene that it was measured on (README)."""
STAND_IN = "pile"
"""Kind whose weights play kinds that have none of their own, and do not say whose."""


def default_model(scene: str) -> str:
    """Name of the best shipped weights for a kind of scene.

    Kinds without weights of their own are played by those of another (`SceneKind.like`, else
    piles), which is said on stderr.
    """
    own = f"{BEST}_{scene}"
    if own in shipped_names():
        return own
    found = f"{BEST}_{find_kind(scene).like or STAND_IN}"
    print(
        f"no weights were trained on scenes of kind '{scene}': {found} plays them", file=sys.stderr
    )
    return found
