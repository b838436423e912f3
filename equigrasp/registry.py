"""Grasp models by name: a file in `equigrasp/models` that holds a class with a `name` is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import equigrasp.models
from equigrasp.discovery import found_classes
from equigrasp.models.base import GraspModel
from equigrasp.options import check_names

if TYPE_CHECKING:
    from equigrasp.nn.kernel_basis import BasisBank


def model_classes() -> dict[str, type[GraspModel]]:
    """All grasp models of this package by name."""
    return found_classes(equigrasp.models, GraspModel)


def model_class(name: str) -> type[GraspModel]:
    """The class of a model of this package.

    Raises:
        ValueError: there is none of that name.
    """
    classes = model_classes()
    if name not in classes:
        raise ValueError(f"no model is called {name!r}; known models: {', '.join(classes)}")
    return classes[name]


def build_model(name: str, **overrides: Any) -> GraspModel:
    """A freshly initialised model.

    Args:
        name: architecture, for instance "equigiga".
        overrides: keyword arguments of its class.

    Raises:
        ValueError: unknown name or unknown keyword.
    """
    return build_kind(model_class(name), overrides)


def build_kind(
    kind: type[GraspModel], options: Mapping[str, Any], *, bank: BasisBank | None = None
) -> GraspModel:
    """A freshly initialised model of a class, of this package or of one's own.

    Args:
        kind: the class.
        options: keyword arguments of it.
        bank: kernel bases, for a class that takes some; None for those of escnn.

    Raises:
        ValueError: unknown, missing or impossible options.
    """
    options = dict(options) if bank is None else {**options, "bank": bank}
    check_names(kind, options)
    return kind(**options)
