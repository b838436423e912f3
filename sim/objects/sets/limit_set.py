"""The objects at the limit of the hand as a set: `limit`, or `limit:COUNT` for another number.

Every second object is for testing and is never trained on; of the others one in ten validates.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sim.objects import limit
from sim.objects.cache import content_key, fetch, store
from sim.objects.rule import ObjectRule
from sim.objects.sets.counts import asked_count
from sim.objects.spec import LazyObjectSpec, ObjectSpec, PreparedObject

SOURCE = "limit"
DEFAULT_COUNT = 240


@dataclass(frozen=True)
class Limit:
    """Makes one object at the limit."""

    index: int
    rule: ObjectRule
    cache: Path

    def prepare(self) -> PreparedObject:
        """The object, from the cache or made now."""
        key = content_key(f"limit {limit.VERSION} {self.index} {self.rule}")
        folder = self.cache / "objects" / f"limit-{self.index:05d}-{self.rule.folder}-{key}"
        found = fetch(folder)
        if found is not None:
            return found
        made = limit.generate(self.index, self.rule)
        return store(folder, object_id(self.index), made.solid, made.parts, made.mass)


def object_id(index: int) -> str:
    """Id of the object with a number."""
    return f"{SOURCE}/{index:05d}"


def split_of_index(index: int) -> str:
    """ "test" for odd numbers; of the even ones "val" for every tenth, else "train"."""
    if index % 2:
        return "test"
    return "val" if index // 2 % 10 == 9 else "train"


def load(rule: ObjectRule, cache: Path, argument: str, split: str) -> list[ObjectSpec]:
    """Of the first `argument` objects (240 if empty) those of a split.

    Raises:
        ValueError: if the argument is no positive number.
    """
    return [
        LazyObjectSpec(object_id(i), SOURCE, Limit(i, rule, cache))
        for i in range(asked_count(SOURCE, argument, DEFAULT_COUNT))
        if split in ("all", split_of_index(i))
    ]
