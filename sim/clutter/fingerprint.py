"""Digests of what decides an evaluation beside its settings: the weights and the code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import equigrasp
import sim
from sim.clutter.protocol import BASELINES

CODE = (
    "equigrasp/detection.py",
    "equigrasp/planner.py",
    "equigrasp/geometry",
    "equigrasp/models/base.py",
    "equigrasp/nn",
    "equigrasp/perception",
    "sim/clutter",
    "sim/grasping/trial.py",
    "sim/grasping/gripper.py",
    "sim/scene/renderer.py",
    "sim/scene/builders.py",
    "sim/scene/world.py",
)
"""Sources between a scene list and the outcome of an attempt."""


def fingerprint(model: str) -> str:
    """Short digests of the sources and, for a model, of its own source and weights.

    Args:
        model: baseline name (no weights), shipped name or path of saved weights.

    Raises:
        FileNotFoundError: no such weights.
    """
    if model in BASELINES:
        return code_digest()
    from equigrasp.weights import PUBLISHED_SUFFIXES, find_weights

    if Path(model).suffix in PUBLISHED_SUFFIXES:
        tensors, name = Path(model), "giga"
    else:
        tensors, card = find_weights(model)
        name = json.loads(card.read_text())["config"]["name"]
    source = Path(equigrasp.__file__).parent / "models" / f"{name}.py"
    return f"{code_digest()}-{_digest([source, tensors])}"


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Digest of the sources in `CODE`."""
    roots = {"equigrasp": Path(equigrasp.__file__).parent, "sim": Path(sim.__file__).parent}
    files = []
    for name in CODE:
        package, _, rest = name.partition("/")
        path = roots[package] / rest
        files += sorted(path.glob("*.py")) if path.is_dir() else [path]
    return _digest(files)


def _digest(files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        total.update(file.read_bytes())
    return total.hexdigest()[:12]
