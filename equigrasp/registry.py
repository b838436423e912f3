"""Grasp models by name: a file in `equigrasp/models` that holds a class with a `name` is one."""

from __future__ import annotations

import inspect
from typing import Any

import equigrasp.models
from equigrasp.discovery import found_classes
from equigrasp.models.base import GraspModel


def model_classes() -> dict[str, type[GraspModel]]:
    """All grasp models of this package by name."""
    return found_classes(equigrasp.models, GraspModel)


def build_model(name: str, **overrides: Any) -> GraspModel:
    """A freshly initialised model.

    Args:
        name: architecture, for instance "equigiga".
        overrides: keyword arguments of its class.

    Raises:
        ValueError: unknown name or unknown keyword.
    """
    classes = model_classes()
    if name not in classes:
        raise ValueError(f"no model is called {name!r}; known models: {', '.join(classes)}")
    known = inspect.signature(classes[name]).parameters
    if unknown := sorted(set(overrides) - set(known)):
        raise ValueError(f"{name} has no option {unknown}; known options: {sorted(known)}")
    return classes[name](**overrides)
