"""The procedural objects as a set: `procedural`, or `procedural:COUNT` for another number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sim.objects import procedural
from sim.objects.cache import content_key, fetch, store
from sim.objects.rule import ObjectRule
from sim.objects.sets.counts import asked_count
from sim.objects.spec import LazyObjectSpec, ObjectSpec, PreparedObject

DEFAULT_COUNT = 800


@dataclass(frozen=True)
class Procedural:
    """Makes one procedural object."""

    index: int
    rule: ObjectRule
    cache: Path

    def prepare(self) -> PreparedObject:
        """The object, from the cache or made now."""
        key = content_key(f"procedural {procedural.VERSION} {self.index} {self.rule}")
        folder = self.cache / "objects" / f"procedural-{self.index:05d}-{self.rule.folder}-{key}"
        found = fetch(folder)
        if found is not None:
            return found
        made = procedural.generate(self.index, self.rule)
        return store(folder, object_id(self.index), made.solid, made.parts)


def object_id(index: int) -> str:
    """Id of the procedural object with a number."""
    return f"procedural/{index:05d}"


def load(rule: ObjectRule, cache: Path, argument: str = "") -> list[ObjectSpec]:
    """The first `argument` objects (800 if empty).

    Raises:
        ValueError: if the argument is no positive number.
    """
    count = asked_count("procedural", argument, DEFAULT_COUNT)
    return [
        LazyObjectSpec(object_id(i), "procedural", Procedural(i, rule, cache)) for i in range(count)
    ]
