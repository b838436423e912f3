"""Digests of what decides an evaluation beside its settings: the code and the weights.

The code is all that the rounds and the planner import, directly or through others, read from the
sources: nothing has to be listed by hand, so nothing can be forgotten.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import equigrasp
import sim
from equigrasp.imports import Source, closure, read_sources
from equigrasp.weights import find_weights, read_card
from sim.clutter.planners import planner_class
from sim.scene.kinds import find_kind

ENTRY = "sim.clutter.rounds"
"""Where a worker begins."""


def fingerprint(model: str, scene: str, entry: str = ENTRY) -> str:
    """Short digests of the code and, where there are weights, of these: "CODE" or "CODE-WEIGHTS".

    Args:
        model: name of a planner, shipped name or path of saved weights.
        scene: name of a scene kind.
        entry: name of the module where a worker begins.

    Raises:
        FileNotFoundError: no such weights.
        ValueError: no such scene kind.
    """
    return _digests(model, scene, entry, _made_of(model))


def weights_digest(model: str) -> str:
    """The WEIGHTS of `fingerprint`; "" where there are none.

    Args:
        model: name of a planner, shipped name or path of saved weights.

    Raises:
        FileNotFoundError: no such weights.
    """
    files = _made_of(model)
    return _digest(files) if files else ""


def uncalibrated_fingerprint(model: str, scene: str, entry: str) -> str:
    """The same of what does not hang on the calibration in the card of a model.

    Args:
        model: shipped name or path of saved weights.
        scene: name of a scene kind.
        entry: name of the module where a worker begins.

    Raises:
        FileNotFoundError: no such weights.
        ValueError: no such scene kind, or no card.
    """
    tensors, note = find_weights(model)
    card = {name: value for name, value in read_card(note).items() if name != "calibration"}
    told = json.dumps(card, sort_keys=True).encode()
    return _digests(model, scene, entry, [tensors.read_bytes(), told])


def _made_of(model: str) -> list[bytes]:
    return [file.read_bytes() for file in planner_class(model).made_of(model)[1]]


def _digests(model: str, scene: str, entry: str, made_of: list[bytes]) -> str:
    sources = deciding_sources(*chosen_modules(model, scene), entry=entry)
    digests = [_digest(s.encode() for name in sorted(sources) for s in (name, sources[name]))]
    if made_of:
        digests.append(_digest(made_of))
    return "-".join(digests)


def chosen_modules(model: str, scene: str) -> set[str]:
    """Modules of the planner, of its model and of the scene kind that an evaluation names."""
    planner, kind = planner_class(model), find_kind(scene)
    homes = [
        name
        for name, module in sys.modules.items()
        if name.startswith("sim.scene.kinds.") and kind in vars(module).values()
    ]
    return {planner.__module__, *planner.made_of(model)[0], *homes}


def deciding_sources(*chosen: str, entry: str = ENTRY) -> dict[str, str]:
    """Text by name of the modules between a scene and the outcome of an attempt.

    Args:
        chosen: see `chosen_modules`; they stand for all modules of their packages.
        entry: name of the module where a worker begins.
    """
    sources = dict(_project())
    for name in set(chosen) - set(sources):  # of a user, from elsewhere
        sources[name] = Source(inspect.getsource(sys.modules[name]))
    found = closure([entry, *chosen], sources, chosen)
    return {name: sources[name].text for name in sorted(found)}


@lru_cache(maxsize=1)
def _project() -> dict[str, Source]:
    """Every module of the two packages, wherever they are installed."""
    folders = [Path(folder) for package in (equigrasp, sim) for folder in package.__path__]
    return {k: v for folder in folders for k, v in read_sources(folder, folder.parent).items()}


def _digest(contents: Iterable[bytes]) -> str:
    total = hashlib.sha256()
    for content in contents:
        total.update(content)
    return total.hexdigest()[:12]
