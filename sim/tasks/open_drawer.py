"""Open one of three drawers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from sim.stage.bodies import Part
from sim.stage.palette import COLOURS
from sim.stage.stage import TABLE_TOP
from sim.stage.task import Task, Waypoint, down

NAMES = ("bottom", "middle", "top")
WIDTH, HEIGHT, STEP = 0.1, 0.035, 0.08
"""Half of a drawer's width, half of its height, and how far each stands out before the next, m."""
DEPTH = 0.08
"""Of the top drawer, m."""
FRONT = 0.004
TAB_HALF, TAB_AT = (0.014, 0.008, 0.014), 0.05
"""Half sizes of a handle, and how far (m) its middle stands out."""
OPENED, TRAVEL = 0.08, 0.12
"""A drawer pulled out so far (m) is open; it slides no farther than `TRAVEL`."""


class OpenDrawer(Task):
    """Bottom, middle or top of a chest like a stair; the others stay shut."""

    name: ClassVar[str] = "open_drawer"
    variations: ClassVar[int] = len(NAMES)
    has_size: ClassVar[bool] = True

    @classmethod
    def sentences(cls, variation: int) -> list[str]:
        """Ways to name the drawer."""
        which = NAMES[variation]
        return [
            f"open the {which} drawer",
            f"pull out the {which} drawer",
            f"grip the {which} handle and pull the drawer open",
        ]

    def build(self) -> None:
        """A chest of three shut drawers, placed and turned a little at random."""
        place = np.array([0.44, 0.0]) + self.random.uniform(-1, 1, 2) * [0.02, 0.1]
        self.yaw = self.random.uniform(-math.pi / 18, math.pi / 18)
        self.chest = self.stage.jointed(
            [stair(level, self.size * WIDTH) for level in range(len(NAMES))],
            (*place, TABLE_TOP),
            COLOURS["maroon"],
            [drawer(level, self.size * WIDTH) for level in range(len(NAMES))],
            yaw=self.yaw,
        )

    def succeeded(self) -> bool:
        """Whether the drawer that was named is open, and no other one is."""
        out = [self.stage.joint(self.chest, level) for level in range(len(NAMES))]
        others = [value for level, value in enumerate(out) if level != self.variation]
        return out[self.variation] > OPENED and max(others) < OPENED / 3

    def waypoints(self) -> Iterator[Waypoint]:
        """Go above the handle, grip it, and pull straight out."""
        outward = -np.array([math.cos(self.yaw), math.sin(self.yaw)])
        tab = self.stage.position(self.chest)[:2] + outward * (
            front_distance(self.variation) + TAB_AT
        )
        z = level_height(self.variation)
        yield Waypoint(down(*tab, z + 0.09, self.yaw), open=True)
        yield Waypoint(down(*tab, z, self.yaw), open=False)
        yield Waypoint(down(*(tab + 0.11 * outward), z, self.yaw), open=False)


def level_height(level: int) -> float:
    """Height of a drawer over the table, m."""
    return (2 * level + 1) * (HEIGHT + 0.001)


def front_distance(level: int) -> float:
    """From the back of the chest to the front of a drawer, m."""
    return DEPTH + STEP * (len(NAMES) - 1 - level)


def stair(
    level: int, width: float = WIDTH
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Half sizes and middle (m) of the step of the chest that a drawer is in; `width` is half."""
    half = front_distance(level) / 2 - FRONT
    return (half, width, HEIGHT), (-half, 0.0, level_height(level))


def drawer(level: int, width: float = WIDTH) -> Part:
    """Front and handle of a drawer; `width` is half of its width, m."""
    return Part(
        boxes=[
            ((FRONT, width, HEIGHT - 0.002), (-FRONT, 0.0, 0.0)),
            ((TAB_AT / 2, 0.004, 0.004), (-TAB_AT / 2, 0.0, 0.0)),
            (TAB_HALF, (-TAB_AT, 0.0, 0.0)),
        ],
        at=(-front_distance(level), 0.0, level_height(level)),
        colour=COLOURS["orange"],
        axis=(-1, 0, 0),
        slides=True,
        limits=(0.0, TRAVEL),
        drag=2.0,
        mass=0.3,
    )
