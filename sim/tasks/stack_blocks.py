"""Stack blocks of one colour on the mat; others are in the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from sim.stage.bodies import box
from sim.stage.palette import COLOURS, NUMBERS, PALETTE, pick_colours
from sim.stage.stage import TABLE_TOP
from sim.stage.task import Task, Waypoint, down

SIDE = 0.04
MAT_HALF = 0.05
COUNTS = (2, 3)
DISTRACTORS = 2
TOLERANCE = 0.02
"""A block counts as stacked if it is no farther (m) from its place."""


class StackBlocks(Task):
    """Two or three blocks of a colour on top of each other."""

    name: ClassVar[str] = "stack_blocks"
    variations: ClassVar[int] = len(COUNTS) * len(PALETTE)
    has_size: ClassVar[bool] = True

    @classmethod
    def wanted(cls, variation: int) -> tuple[int, str]:
        """How many blocks of which colour."""
        return COUNTS[variation % len(COUNTS)], PALETTE[variation // len(COUNTS)]

    @classmethod
    def sentences(cls, variation: int) -> list[str]:
        """Ways to name number and colour of the blocks."""
        count, colour = cls.wanted(variation)
        number = NUMBERS[count]
        return [
            f"stack {number} {colour} blocks",
            f"place {number} of the {colour} blocks on top of each other",
            f"build a tower out of {number} {colour} blocks",
        ]

    def build(self) -> None:
        """A mat, blocks of the colour that is named, and two of another colour."""
        count, colour = self.wanted(self.variation)
        other = pick_colours(self.random, 1, without=[colour])[0]
        places = self.places(1 + count + DISTRACTORS, 0.11)
        self.mat, self.side = places[0], self.size * SIDE
        self.stage.patch((MAT_HALF, MAT_HALF), self.mat, COLOURS["gray"])
        colours = [colour] * count + [other] * DISTRACTORS
        bodies = [
            self.stage.add(
                box((self.side / 2,) * 3),
                (*place, TABLE_TOP + self.side / 2),
                COLOURS[name],
                yaw=self.random.uniform(-np.pi / 4, np.pi / 4),
            )
            for place, name in zip(places[1:], colours, strict=True)
        ]
        self.blocks = bodies[:count]

    def succeeded(self) -> bool:
        """Whether the blocks stand on each other on the mat, and were let go."""
        if not self.arm.commanded_open:
            return False
        heights = sorted(self.stage.position(block)[2] for block in self.blocks)
        targets = TABLE_TOP + self.side * (np.arange(len(self.blocks)) + 0.5)
        aside = [np.linalg.norm(self.stage.position(b)[:2] - self.mat) for b in self.blocks]
        return max(aside) < MAT_HALF and bool(np.abs(heights - targets).max() < TOLERANCE)

    def waypoints(self) -> Iterator[Waypoint]:
        """For every block: grasp it, lift it over the mat, set it down, and leave."""
        for index, block in enumerate(self.blocks):
            yield from self._stacking(block, index)

    def beginnings(self) -> list[Waypoint]:
        """Over any of the blocks: they are alike."""
        return [next(self._stacking(block, 0)) for block in self.blocks]

    def _stacking(self, block: int, index: int) -> Iterator[Waypoint]:
        """Put a block on the mat, on so many others."""
        x, y, yaw = self.grasp_of(block, np.pi / 2)
        above = down(*self.mat, self.side * (index + 0.5) + 0.12)
        yield Waypoint(down(x, y, 0.14, yaw), open=True)
        yield Waypoint(down(x, y, self.side / 2, yaw), open=False)
        yield Waypoint(above, open=False)
        yield Waypoint(down(*self.mat, self.side * (index + 0.5) + 0.003), open=True)
        yield Waypoint(above, open=True)
