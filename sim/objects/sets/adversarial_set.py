"""Adversarial shapes as a set: `adversarial`, or `adversarial:COUNT` shapes of each of 49 cells.

The first shape of every cell is for testing and is never trained on, the second validates.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sim.objects import adversarial
from sim.objects.cache import content_key, fetch, store
from sim.objects.rule import ObjectRule
from sim.objects.sets.counts import asked_count
from sim.objects.spec import LazyObjectSpec, ObjectSpec, PreparedObject

SOURCE = "adversarial"
DEFAULT_COUNT = 6
"""Shapes of each cell."""
MASS = 0.15
"""In kg, of every object: that of the published protocol."""


@dataclass(frozen=True)
class Adversarial:
    """Makes one shape of a cell."""

    cell: str
    variant: int
    rule: ObjectRule
    cache: Path

    def prepare(self) -> PreparedObject:
        """The object, from the cache or made now."""
        key = content_key(f"adversarial {adversarial.VERSION} {self.rule}")
        name = f"adversarial-{self.cell}-{self.variant}-{self.rule.folder}-{key}"
        found = fetch(self.cache / "objects" / name)
        if found is not None:
            return found
        made = adversarial.generate(self.cell, self.variant, self.rule)
        object_id = object_name(self.cell, self.variant)
        return store(self.cache / "objects" / name, object_id, made.solid, made.parts, MASS)


def object_name(cell: str, variant: int) -> str:
    """Id of a shape."""
    return f"{SOURCE}/{cell}-{variant}"


def split_of_variant(variant: int) -> str:
    """ "test" for the first shape of a cell, "val" for the second, else "train"."""
    return ("test", "val")[variant] if variant < 2 else "train"


def load(rule: ObjectRule, cache: Path, argument: str, split: str) -> list[ObjectSpec]:
    """Of the first `argument` shapes (6 if empty) of every cell those of a split.

    Raises:
        ValueError: if the argument is no positive number.
    """
    return [
        LazyObjectSpec(object_name(cell, i), SOURCE, Adversarial(cell, i, rule, cache))
        for cell in adversarial.CELLS
        for i in range(asked_count(SOURCE, argument, DEFAULT_COUNT))
        if split in ("all", split_of_variant(i))
    ]
