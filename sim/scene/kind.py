"""A kind of scene as one value: what it is made of, and how it is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sim.objects.rule import ObjectRule

if TYPE_CHECKING:
    from sim.objects.spec import ObjectSpec
    from sim.scene.world import World

Builder = Callable[
    ["World", "Sequence[ObjectSpec]", np.random.Generator, int], "tuple[bool, list[str]]"
]
"""(world, objects, generator, number of objects) -> whether all came to rest, and the ids of what
left the workspace. The world holds an empty table; objects are drawn with replacement."""


@dataclass(frozen=True)
class SceneKind:
    """A kind of clutter scene. One file in `sim/scene/kinds` holds one of these.

    Attributes:
        name: of commands, settings and files; a word.
        description: completes "scenes with" for a person.
        objects: what it asks of its objects.
        build: puts objects into a world; the helpers of `sim.scene.builders` do most of it.

    Raises:
        ValueError: if the name is no word.
    """

    name: str
    description: str
    objects: ObjectRule
    build: Builder

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"a scene kind is called '{self.name}'; use letters, digits and _")
