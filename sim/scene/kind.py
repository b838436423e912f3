"""A kind of scene as one value: what it is made of, and how it is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sim.objects.rule import ObjectRule

if TYPE_CHECKING:
    from sim.objects.spec import ObjectSpec
    from sim.scene.simulator import Simulator

Builder = Callable[
    ["Simulator", "Sequence[ObjectSpec]", np.random.Generator, int], "tuple[bool, list[str]]"
]
"""(world, objects, generator, number of objects) -> whether all came to rest, and the ids of what
left the workspace. The world holds an empty table; objects are drawn with replacement."""


REFERENCE_POINTS = 60
"""Grasp points of a scene that `SceneKind.seconds` is of."""


@dataclass(frozen=True)
class SceneKind:
    """A kind of clutter scene. One file in `sim/scene/kinds` holds one of these.

    Attributes:
        name: of commands, settings and files; a word.
        description: completes "scenes with" for a person.
        objects: what it asks of its objects.
        build: puts objects into a world; the helpers of `sim.scene.builders` do most of it.
        scales: range that it draws the objects' scales from, where it takes another one as
            `build(..., scales=...)`; None where it does not.
        seconds: processor time of a scene with `REFERENCE_POINTS` grasp points, on one core of a
            2025 server CPU: for the estimate that is told before a run.
        like: kind whose weights play it where none are trained for it; "" for its own.

    Raises:
        ValueError: if the name is no word.
    """

    name: str
    description: str
    objects: ObjectRule
    build: Builder
    scales: tuple[float, float] | None = None
    seconds: float = 1.0
    like: str = ""

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"a scene kind is called '{self.name}'; use letters, digits and _")

    @property
    def trained_as(self) -> str:
        """Name of the kind that weights for these scenes are trained on."""
        return self.like or self.name

    def scaled(self, scales: Sequence[float] | None) -> SceneKind:
        """The kind with objects of another range of scales; None for the same kind.

        Raises:
            ValueError: the kind does not take another range.
        """
        if scales is None:
            return self
        if self.scales is None:
            raise ValueError(f"scenes of kind '{self.name}' have scales of their own; give none")
        low, high = scales
        return replace(self, build=partial(self.build, scales=(low, high)), scales=(low, high))
