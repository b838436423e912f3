"""Planners under test, one file each; whatever else `--model` names are weights."""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from pathlib import Path

from equigrasp.discovery import found_classes
from equigrasp.hand import Hand
from equigrasp.weights import weights_label
from sim.clutter.planner import ClutterPlanner
from sim.clutter.protocol import EvalSettings

WEIGHTS = "model"
"""Name of the planner that is given weights."""
MAX_LABEL = 60


def planner_classes() -> dict[str, type[ClutterPlanner]]:
    """All planners by name."""
    return found_classes(sys.modules[__name__], ClutterPlanner)


def planner_names() -> list[str]:
    """Names that `--model` takes beside weights, classes and commands."""
    return [name for name, kind in planner_classes().items() if kind.takes(name)]


def planner_class(model: str) -> type[ClutterPlanner]:
    """The planner that `--model` asks for; for weights, the one that loads them."""
    classes = planner_classes()
    takers = [kind for kind in classes.values() if kind.takes(model)]
    return takers[0] if takers else classes[WEIGHTS]


def planner_label(model: str) -> str:
    """What an evaluation of `--model` is called in folders and tables."""
    if planner_class(model) is planner_classes()[WEIGHTS]:
        return weights_label(model)
    words = [Path(word).name for word in model.split()]
    return re.sub(r"[^\w.=-]+", "_", "_".join(words)).strip("_")[:MAX_LABEL]


@lru_cache(maxsize=2)
def make_planner(settings: str, hand: Hand) -> ClutterPlanner:
    """The planner of `EvalSettings`, given as JSON; kept for the next round."""
    options = EvalSettings.from_json(settings)
    return planner_class(options.model).from_settings(options, hand)
