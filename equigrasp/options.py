"""Constructor arguments that a class remembers, so that it can be built again from a card."""

from __future__ import annotations

import functools
import inspect
import math
import numbers
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

C = TypeVar("C", bound=type)


Range = tuple[float, float]


def records_options(
    *, exclude: tuple[str, ...] = (), limits: Mapping[str, Range] | None = None
) -> Callable[[C], C]:
    """Class decorator: instances have `options`, the JSON-able arguments of their constructor, and
    the class has `option_limits`.

    Defaults are recorded as well, so that a later change of a default does not change what was
    saved. A subclass that is decorated too records its own arguments, not its base's. Arguments
    annotated `int`, `float`, `bool` or `str` have to be of that type, and numbers within their
    limits, before the constructor runs: a card cannot ask for a model that fills the memory.

    Args:
        exclude: parameters that are no options, such as objects shared between models.
        limits: (smallest, largest) value by parameter; of the entries, where it is a sequence.
    """
    ranges = dict(limits or {})

    def decorate(cls: C) -> C:
        begin = cls.__init__
        signature = inspect.signature(begin)
        unknown = {*exclude, *ranges} - set(signature.parameters)
        if unknown:
            raise TypeError(f"{cls.__name__} has no parameters {sorted(unknown)}")

        @functools.wraps(begin)
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            if type(self).__init__ is init:  # not called by the constructor of a subclass
                bound = signature.bind(self, *args, **kwargs)
                bound.apply_defaults()
                values = {k: v for k, v in list(bound.arguments.items())[1:] if k not in exclude}
                for name, value in values.items():
                    check_option(name, value, signature.parameters[name].annotation, ranges)
                self.options = {k: plain_value(v) for k, v in values.items()}
            begin(self, *args, **kwargs)

        cls.__init__, cls.option_limits = init, ranges
        return cls

    return decorate


def check_option(name: str, value: Any, annotation: Any, ranges: Mapping[str, Range]) -> None:
    """Refuse a value that is not of its annotated type, or beyond its limits.

    Args:
        name: of the parameter.
        value: that it was given.
        annotation: of the parameter; those other than `int`, `float`, `bool`, `str`, each or None,
            and sequences of `int` are not looked at.
        ranges: (smallest, largest) by name.

    Raises:
        ValueError: naming the value and the limits.
    """
    kind = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    if kind.endswith(" | None"):
        if value is None:
            return
        kind = kind.removesuffix(" | None")
    low, high = ranges.get(name, (-math.inf, math.inf))
    entries = [value]
    if kind.startswith(("Sequence[int", "tuple[int")):
        kind, entries = "int", _entries(name, value)
    if kind not in _ACCEPTS:
        return
    accepts, wanted = _ACCEPTS[kind]
    if name in ranges:
        wanted += f" from {low:g} to {high:g}"
    number = kind in ("int", "float")
    if not all(accepts(entry) and (not number or low <= entry <= high) for entry in entries):
        raise ValueError(f"{name} is {reprlib.repr(value)}; give {wanted}")


def _entries(name: str, value: Any) -> list[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError(f"{name} is {reprlib.repr(value)}; give a list of whole numbers")
    return list(value)


def check_fields(instance: Any, ranges: Mapping[str, Range], skip: tuple[str, ...] = ()) -> None:
    """Check every field of a dataclass by its annotation, see `check_option`.

    Raises:
        ValueError: naming the field, its value and its limits.
    """
    for each in fields(instance):
        if each.name not in skip:
            check_option(each.name, getattr(instance, each.name), each.type, ranges)


def check_list(values: Any, name: str, *, words: bool = False) -> list[Any]:
    """The one door for lists: a text or a mapping in the place of a list is refused.

    Args:
        values: given by a user.
        name: of the argument, for the message.
        words: whether every entry has to be a text that is not empty.

    Raises:
        ValueError: naming the argument and its value.
    """
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        example = f"[{values}]" if isinstance(values, str | Path) else "[first, second]"
        raise ValueError(f"{name} is {reprlib.repr(values)}; give a list, for instance {example}")
    listed = list(values)
    wrong = [entry for entry in listed if not (isinstance(entry, str) and entry)]
    if words and wrong:
        raise ValueError(f"{name} holds {reprlib.repr(wrong[0])}; its entries are words")
    return listed


def check_widest(name: str, first: int, depth: int, most: int = 2048) -> None:
    """Refuse a network whose width doubles with every level beyond what fits into memory.

    Args:
        name: of what is counted.
        first: at the first level.
        depth: number of levels.
        most: at the last.

    Raises:
        ValueError: naming the numbers.
    """
    if first * 2 ** (depth - 1) > most:
        raise ValueError(
            f"{name} {first} doubled over depth {depth} makes {first * 2 ** (depth - 1)} at the "
            f"coarsest level, of at most {most}; take fewer {name} or less depth"
        )


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number by its type, numpy's included; a bool is none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_finite(value: Any) -> bool:
    """Whether a value is a number by its type, numpy's included, and finite; a bool is none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and abs(value) < math.inf


_ACCEPTS = {
    "int": (is_whole, "a whole number"),
    "float": (is_finite, "a finite number"),
    "bool": (lambda value: type(value).__name__ in ("bool", "bool_"), "true or false"),
    "str": (lambda value: isinstance(value, str), "a word"),
}


def check_names(kind: type, options: Mapping[str, Any], given: int = 0) -> None:
    """Refuse keyword arguments that a class does not have, and the lack of those it needs.

    Args:
        kind: the class.
        options: its keyword arguments.
        given: number of arguments that it will be given by position.

    Raises:
        ValueError: naming them, and those it has.
    """
    known = inspect.signature(kind).parameters
    owner = getattr(kind, "name", "") or kind.__name__
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(f"{owner} has no option {unknown}; known options: {sorted(known)}")
    needed = [p.name for p in list(known.values())[given:] if p.default is p.empty]
    if missing := [name for name in needed if name not in options and name != "kwargs"]:
        raise ValueError(f"{owner} needs {missing}, which the configuration lacks")


def plain_value(value: Any) -> Any:
    """A value as JSON would give it back: tuples as lists, paths as text, values as dicts."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {str(key): plain_value(entry) for key, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):  # Hydra has lists of its own
        return [plain_value(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value
