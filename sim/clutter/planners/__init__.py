"""Planners under test, one file each; whatever else `--model` names are weights."""

from __future__ import annotations

import sys
from functools import lru_cache

from equigrasp.discovery import found_classes
from equigrasp.hand import Hand
from sim.clutter.planner import ClutterPlanner
from sim.clutter.protocol import EvalSettings

WEIGHTS = "model"
"""Name of the planner that is given weights."""


def planner_classes() -> dict[str, type[ClutterPlanner]]:
    """All planners by name."""
    return found_classes(sys.modules[__name__], ClutterPlanner)


def planner_names() -> list[str]:
    """What `--model` takes beside weights."""
    return [name for name in planner_classes() if name != WEIGHTS]


def planner_class(model: str) -> type[ClutterPlanner]:
    """The planner that `--model` asks for; for weights, the one that loads them."""
    classes = planner_classes()
    return classes.get(model, classes[WEIGHTS])


@lru_cache(maxsize=2)
def make_planner(settings: str, hand: Hand) -> ClutterPlanner:
    """The planner of `EvalSettings`, given as JSON; kept for the next round."""
    options = EvalSettings.from_json(settings)
    return planner_class(options.model).from_settings(options, hand)
