"""Insert the ring onto the peg of a colour."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from sim.stage.bodies import box
from sim.stage.palette import COLOURS, PALETTE, pick_colours
from sim.stage.stage import TABLE_TOP
from sim.stage.task import Task, Waypoint, down

BASE_HALF = (0.045, 0.17, 0.005)
PEG_HALF, PEG_HEIGHT = 0.009, 0.08
HOLE_HALF, WALL_HALF, RING_HALF = 0.016, 0.005, 0.008
"""Half the side of the ring's square hole, half the thickness of its walls, half its height, m."""
TAB_HALF = (0.025, 0.006)
"""Half sizes of the tab that the ring is held by; it points at the arm, m."""
GRIP = HOLE_HALF + 2 * WALL_HALF + TAB_HALF[0] + 0.005
"""From the middle of the hole to where the tab is gripped, m."""
APART = 0.12
"""From peg to peg, m."""


class InsertOntoPeg(Task):
    """Three square pegs, one ring with a square hole."""

    name: ClassVar[str] = "insert_onto_peg"
    variations: ClassVar[int] = len(PALETTE)
    has_size: ClassVar[bool] = True

    @classmethod
    def sentences(cls, variation: int) -> list[str]:
        """Ways to name the colour of the peg."""
        colour = PALETTE[variation]
        return [
            f"insert the ring onto the {colour} peg",
            f"slide the ring over the {colour} peg",
            f"the ring belongs around the {colour} peg",
        ]

    def build(self) -> None:
        """A base with three pegs of different colours, and a ring before it."""
        colours = [PALETTE[self.variation]]
        colours += pick_colours(self.random, 2, without=colours)
        base = np.array([0.32, 0.0]) + self.random.uniform(-1, 1, 2) * [0.02, 0.06]
        self.stage.add(box(BASE_HALF), (*base, TABLE_TOP + BASE_HALF[2]), COLOURS["white"], mass=0)
        height = self.size * PEG_HEIGHT
        self.top = 2 * BASE_HALF[2] + height
        peg = box((PEG_HALF, PEG_HALF, height / 2))
        middle = TABLE_TOP + self.top - height / 2
        slots = self.random.permutation([-APART, 0.0, APART])
        for slot, colour in zip(slots, colours, strict=True):
            self.stage.add(peg, (base[0], base[1] + slot, middle), COLOURS[colour], mass=0)
        self.goal = base + [0.0, slots[0]]
        place = (self.random.uniform(0.12, 0.18), self.random.uniform(-0.22, 0.22))
        self.ring = self.stage.joined_boxes(
            _ring(),
            (*place, TABLE_TOP + RING_HALF),
            COLOURS["gray"],
            yaw=self.random.uniform(-0.5, 0.5),
            mass=0.05,
        )

    def succeeded(self) -> bool:
        """Whether the peg that was named stands in the ring's hole, and the ring was let go."""
        x, y, z = self.stage.position(self.ring)
        aside = np.abs(np.array([x, y]) - self.goal).max()
        below = z < TABLE_TOP + self.top - 2 * RING_HALF
        return bool(self.arm.commanded_open and aside < HOLE_HALF and below)

    def waypoints(self) -> Iterator[Waypoint]:
        """Take the ring by its tab, bring the hole over the peg, go down a little, and let go."""
        x, y, yaw = self.grasp_of(self.ring, 2 * math.pi)
        tab = np.array([x, y]) - GRIP * np.array([math.cos(yaw), math.sin(yaw)])
        yield Waypoint(down(*tab, 0.14, yaw), open=True)
        yield Waypoint(down(*tab, RING_HALF + 0.002, yaw), open=False)
        yield Waypoint(down(*tab, 0.18, yaw), open=False)
        end = self.goal - [GRIP, 0.0]
        yield Waypoint(down(*end, self.top + 0.04), open=False)
        yield Waypoint(down(*end, self.top - 0.03), open=True)


def _ring() -> list[tuple[tuple[float, float, float], tuple[float, float, float]]]:
    """Four walls around the hole, and the tab."""
    middle, outer = HOLE_HALF + WALL_HALF, HOLE_HALF + 2 * WALL_HALF
    walls = [((WALL_HALF, outer, RING_HALF), (side * middle, 0.0, 0.0)) for side in (-1, 1)]
    walls += [((HOLE_HALF, WALL_HALF, RING_HALF), (0.0, side * middle, 0.0)) for side in (-1, 1)]
    return [*walls, ((*TAB_HALF, RING_HALF), (-outer - TAB_HALF[0], 0.0, 0.0))]
