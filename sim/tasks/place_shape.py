"""Put a shape of one colour on the plate; others have nearly its colour, or its shape."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from sim.stage.bodies import box, prism
from sim.stage.palette import COLOURS
from sim.stage.stage import TABLE_TOP
from sim.stage.task import Task, Waypoint, down
from sim.tasks.sort_shape import HEIGHT, SHAPES, TOLERANCE

ALIKE = (("red", "maroon", "rose"), ("blue", "navy", "azure"), ("green", "lime", "teal"))
"""Colours that are near to each other."""
CHOSEN = ("disc", "triangle", "bar")
PLATE_HALF = (0.05, 0.05, 0.005)


class PlaceShape(Task):
    """A shape, the same shape in two colours like its own, and another shape of its colour."""

    name: ClassVar[str] = "place_shape"
    variations: ClassVar[int] = len(CHOSEN) * sum(map(len, ALIKE))
    has_size: ClassVar[bool] = True

    @classmethod
    def wanted(cls, variation: int) -> tuple[str, str]:
        """Shape and colour."""
        colours = [colour for group in ALIKE for colour in group]
        return CHOSEN[variation % len(CHOSEN)], colours[variation // len(CHOSEN)]

    @classmethod
    def sentences(cls, variation: int) -> list[str]:
        """Ways to name shape and colour."""
        shape, colour = cls.wanted(variation)
        return [
            f"put the {colour} {shape} on the plate",
            f"lay the {shape} that is {colour} onto the plate",
            f"the {colour} {shape} belongs on the plate",
        ]

    def build(self) -> None:
        """A plate and four shapes, the one that is named first."""
        shape, colour = self.wanted(self.variation)
        group = next(group for group in ALIKE if colour in group)
        others = [name for name in CHOSEN if name != shape]
        shown = [(shape, colour), *((shape, name) for name in group if name != colour)]
        shown.append((others[self.random.randint(len(others))], colour))
        places = self.places(1 + len(shown), 0.12)
        self.goal = places[0]
        middle = (*self.goal, TABLE_TOP + PLATE_HALF[2])
        self.stage.add(box(PLATE_HALF), middle, COLOURS["silver"], mass=0)
        self.bodies = [
            self.stage.add(
                prism(self.size * SHAPES[name], HEIGHT),
                (*place, TABLE_TOP + HEIGHT / 2),
                COLOURS[paint],
                yaw=self.random.uniform(-math.pi / 8, math.pi / 8),
            )
            for place, (name, paint) in zip(places[1:], shown, strict=True)
        ]
        self.shape = self.bodies[0]

    def succeeded(self) -> bool:
        """Whether the shape that was named lies on the plate, and was let go."""
        x, y, z = self.stage.position(self.shape)
        aside = np.abs(np.array([x, y]) - self.goal).max()
        resting = abs(z - TABLE_TOP - 2 * PLATE_HALF[2] - HEIGHT / 2) < TOLERANCE
        return bool(self.arm.commanded_open and aside < PLATE_HALF[0] and resting)

    def waypoints(self) -> Iterator[Waypoint]:
        """Grasp the shape, lift it, bring it over the plate, and set it down."""
        x, y, yaw = self.grasp_of(self.shape, math.pi)
        on_plate = 2 * PLATE_HALF[2] + HEIGHT / 2
        yield Waypoint(down(x, y, 0.14, yaw), open=True)
        yield Waypoint(down(x, y, HEIGHT / 2 + 0.005, yaw), open=False)
        yield Waypoint(down(x, y, 0.16, yaw), open=False)
        yield Waypoint(down(*self.goal, on_plate + 0.08), open=False)
        yield Waypoint(down(*self.goal, on_plate + 0.008), open=True)
