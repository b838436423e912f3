"""Find a model class by name: `equigrasp/models/<name>.py` holds a class with that `name`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

import equigrasp.models
from equigrasp.models.base import GraspModel

_SUPPORT = {"base", "registry", "losses", "giga_checkpoint", "sampling"}


def model_names() -> list[str]:
    """Names accepted by `build_model`."""
    found = (module.name for module in pkgutil.iter_modules(equigrasp.models.__path__))
    return sorted(name for name in found if name not in _SUPPORT)


def build_model(name: str, **overrides: Any) -> GraspModel:
    """A freshly initialised model.

    Args:
        name: architecture, for instance "equigiga".
        overrides: keyword arguments of its class.

    Raises:
        ValueError: unknown name or unknown keyword.
    """
    if name not in model_names():
        raise ValueError(f"no model is called {name!r}; known models: {', '.join(model_names())}")
    module = importlib.import_module(f"equigrasp.models.{name}")
    classes = [
        c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__
    ]
    chosen = next(c for c in classes if issubclass(c, GraspModel) and c.name == name)
    known = set(inspect.signature(chosen).parameters)
    if unknown := sorted(set(overrides) - known):
        raise ValueError(f"{name} has no option {unknown}; known options: {sorted(known)}")
    return chosen(**overrides)
