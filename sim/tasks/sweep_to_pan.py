"""Sweep the crumbs into the big or the small pan."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from sim.stage.bodies import box
from sim.stage.palette import COLOURS
from sim.stage.stage import TABLE_TOP
from sim.stage.task import Task, Waypoint, down, yaw_of

SIZES = {"big": 0.1, "small": 0.065}
"""Half the inner width of the pans, m."""
DEPTH, WALL, WALL_HEIGHT = 0.09, 0.005, 0.02
"""Of a pan: inner depth, half the thickness of its walls, their height, m."""
ENTRANCE = 0.1
"""From the crumbs to the mouth of either pan, m."""
CRUMB, CRUMBS, SPREAD = 0.008, 5, 0.03
"""Half the side of a crumb (m), how many there are, and how far (m) they lie from their middle."""
BRUSH_HALF, HANDLE = (0.012, 0.055, 0.02), 0.06


class SweepToPan(Task):
    """A pan to the left and one to the right."""

    name: ClassVar[str] = "sweep_to_pan"
    variations: ClassVar[int] = len(SIZES)
    has_size: ClassVar[bool] = True

    @classmethod
    def sentences(cls, variation: int) -> list[str]:
        """Ways to name the size of the pan."""
        size = list(SIZES)[variation]
        return [
            f"sweep the crumbs into the {size} pan",
            f"use the brush to clear the crumbs into the {size} pan",
            f"the {size} pan shall have the crumbs",
        ]

    def build(self) -> None:
        """Crumbs between a big and a small pan, and a brush that stands aside."""
        self.middle = np.array([0.24, 0.0]) + self.random.uniform(-0.03, 0.03, 2)
        wanted, other = list(SIZES)[self.variation], list(SIZES)[1 - self.variation]
        self.side = int(self.random.choice([-1, 1]))
        self._pan(wanted, self.side)
        self._pan(other, -self.side)
        offsets = self.places(CRUMBS, 2.5 * CRUMB, [(-SPREAD, SPREAD)] * 2)
        half = self.size * CRUMB
        crumb = box((half,) * 3)
        self.crumbs = [
            self.stage.add(crumb, (*place, TABLE_TOP + half), COLOURS["olive"], mass=0.005)
            for place in self.middle + offsets
        ]
        place = (0.08, self.random.uniform(-0.1, 0.1), TABLE_TOP + BRUSH_HALF[2])
        self.brush = self.stage.joined_boxes(
            [
                (BRUSH_HALF, (0, 0, 0)),
                ((0.012, 0.012, HANDLE / 2), (0, 0, BRUSH_HALF[2] + HANDLE / 2)),
            ],
            place,
            COLOURS["orange"],
            yaw=self.random.uniform(-0.3, 0.3),
        )

    def succeeded(self) -> bool:
        """Whether all crumbs lie in the pan that was named."""
        half = SIZES[list(SIZES)[self.variation]]
        near = self.middle[1] + self.side * ENTRANCE
        for crumb in self.crumbs:
            x, y, _ = self.stage.position(crumb)
            inward = self.side * (y - near)
            if abs(x - self.middle[0]) > half or not 0 < inward < DEPTH:
                return False
        return True

    def waypoints(self) -> Iterator[Waypoint]:
        """Take the brush, put it behind the crumbs, and sweep them into the pan."""
        pose = self.stage.pose(self.brush)
        yaw = yaw_of(pose)
        x, y = pose[:2, 3]
        grip = 2 * BRUSH_HALF[2] + HANDLE - 0.015
        yield Waypoint(down(x, y, grip + 0.1, yaw), open=True)
        yield Waypoint(down(x, y, grip, yaw), open=False)
        yield Waypoint(down(x, y, grip + 0.1, yaw), open=False)
        # The brush is broad along its y; it sweeps along its x, so it turns a quarter.
        turn = -self.side * math.pi / 2
        behind = self.middle - [0.0, self.side * 0.08]
        last = self.middle + [0.0, self.side * (ENTRANCE + 0.02)]
        yield Waypoint(down(*behind, grip + 0.1, turn), open=False)
        yield Waypoint(down(*behind, grip + 0.003, turn), open=False)
        yield Waypoint(down(*last, grip + 0.003, turn), open=False)

    def _pan(self, size: str, side: int) -> None:
        half, high = SIZES[size], WALL_HEIGHT / 2
        back = (0, side * (DEPTH + WALL), high)
        walls = [((half + 2 * WALL, WALL, high), back)]
        walls += [
            ((WALL, DEPTH / 2, high), (end * (half + WALL), side * DEPTH / 2, high))
            for end in (-1, 1)
        ]
        mouth = self.middle + [0.0, side * ENTRANCE]
        self.stage.joined_boxes(walls, (*mouth, TABLE_TOP), COLOURS["teal"], mass=0)
        floor = mouth + [0.0, side * DEPTH / 2]
        self.stage.patch((half, DEPTH / 2), floor, COLOURS["azure"])
