"""Constructor arguments that a class remembers, so that it can be built again from a card."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

C = TypeVar("C", bound=type)


def records_options(*, exclude: tuple[str, ...] = ()) -> Callable[[C], C]:
    """Class decorator: instances have `options`, the JSON-able arguments of their constructor.

    Defaults are recorded as well, so that a later change of a default does not change what was
    saved. A subclass that is decorated too records its own arguments, not its base's.

    Args:
        exclude: parameters that are no options, such as objects shared between models.
    """

    def decorate(cls: C) -> C:
        begin = cls.__init__
        signature = inspect.signature(begin)
        unknown = set(exclude) - set(signature.parameters)
        if unknown:
            raise TypeError(f"{cls.__name__} has no parameters {sorted(unknown)}")

        @functools.wraps(begin)
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            if type(self).__init__ is init:  # not called by the constructor of a subclass
                bound = signature.bind(self, *args, **kwargs)
                bound.apply_defaults()
                values = list(bound.arguments.items())[1:]
                self.options = {k: plain_value(v) for k, v in values if k not in exclude}
            begin(self, *args, **kwargs)

        cls.__init__ = init
        return cls

    return decorate


def plain_value(value: Any) -> Any:
    """A value as JSON would give it back: tuples as lists, paths as text, values as dicts."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {str(key): plain_value(entry) for key, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):  # Hydra has lists of its own
        return [plain_value(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value
