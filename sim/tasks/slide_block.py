"""Push a block over the table onto the patch of a colour."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from sim.stage.bodies import box
from sim.stage.palette import COLOURS, PALETTE, pick_colours
from sim.stage.stage import TABLE_TOP
from sim.stage.task import Task, Waypoint, down, least_turn

HALF = (0.04, 0.04, 0.03)
PATCH_HALF = 0.05
REACH = 0.14
"""From the block to the middle of every patch, m."""
FINGER = 0.012
"""From the tip to the front of the closed fingers, with a little to spare, m."""
PATCHES = 4


class SlideBlock(Task):
    """One of four patches around the block."""

    name: ClassVar[str] = "slide_block"
    variations: ClassVar[int] = len(PALETTE)
    has_size: ClassVar[bool] = True

    @classmethod
    def sentences(cls, variation: int) -> list[str]:
        """Ways to name the colour of the patch."""
        colour = PALETTE[variation]
        return [
            f"slide the block to the {colour} square",
            f"push the block onto the {colour} patch",
            f"cover the {colour} target with the block",
        ]

    def build(self) -> None:
        """A block in the middle of four patches."""
        wanted = PALETTE[self.variation]
        centre = np.array([0.2, 0.0]) + self.random.uniform(-1, 1, 2) * [0.03, 0.06]
        yaw = self.random.uniform(-math.pi / 12, math.pi / 12)
        side = self.random.randint(PATCHES)
        colours = pick_colours(self.random, PATCHES - 1, without=[wanted])
        colours.insert(side, wanted)
        angles = yaw + np.arange(PATCHES) * math.pi / 2
        for angle, colour in zip(angles, colours, strict=True):
            x, y = centre + REACH * np.array([math.cos(angle), math.sin(angle)])
            self.stage.patch((PATCH_HALF, PATCH_HALF), (x, y), COLOURS[colour], yaw=yaw)
        self.angle = angles[side]
        self.goal = centre + REACH * np.array([math.cos(self.angle), math.sin(self.angle)])
        half = self.size * np.array(HALF)
        middle = (*centre, TABLE_TOP + half[2])
        self.block = self.stage.add(box(half), middle, COLOURS["gray"], yaw=yaw, friction=0.4)

    def succeeded(self) -> bool:
        """Whether the block has come to the middle of the patch that was named."""
        return bool(
            np.linalg.norm(self.stage.position(self.block)[:2] - self.goal) < PATCH_HALF / 2
        )

    def waypoints(self) -> Iterator[Waypoint]:
        """Go down behind the block with closed fingers, and push."""
        centre = self.stage.position(self.block)[:2]
        push = self.goal - centre
        push /= np.linalg.norm(push)
        half = self.size * HALF[0]
        behind = centre - push * (half + 0.05)
        last = self.goal - push * (half + FINGER)
        yaw = least_turn(math.atan2(push[1], push[0]))
        yield Waypoint(down(*behind, 0.14, yaw), open=False)
        yield Waypoint(down(*behind, 0.03, yaw), open=False)
        yield Waypoint(down(*last, 0.03, yaw), open=False)
