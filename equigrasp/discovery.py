"""Find what a package offers: one file per model, policy, planner, scene kind or task."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


def found_classes(package: ModuleType, base: type[T]) -> dict[str, type[T]]:
    """Classes below `base` by their `name`, from every module of a package.

    A class counts where it is defined, has a `name` of its own and is not abstract.

    Raises:
        TypeError: two of one name.
    """
    found: dict[str, type[T]] = {}
    for module in _modules(package):
        for _, value in inspect.getmembers(module, inspect.isclass):
            if value.__module__ != module.__name__ or not issubclass(value, base):
                continue
            name = value.__dict__.get("name")
            if isinstance(name, str) and name and not inspect.isabstract(value):
                _add(found, name, value)
    return dict(sorted(found.items()))


def found_values(package: ModuleType, kind: type[T]) -> dict[str, T]:
    """Values of a type by their `name`, from every module of a package.

    Raises:
        TypeError: two of one name.
    """
    found: dict[str, T] = {}
    for module in _modules(package):
        for value in vars(module).values():
            if isinstance(value, kind) and found.get(value.name) is not value:
                _add(found, value.name, value)
    return dict(sorted(found.items()))


def _modules(package: ModuleType) -> list[ModuleType]:
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


def _add(found: dict[str, T], name: str, value: T) -> None:
    if name in found:
        raise TypeError(f"two things are called {name!r}: {found[name]} and {value}")
    found[name] = value
