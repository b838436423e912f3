"""Stack two cups into the cup of a colour."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from sim.stage.palette import COLOURS, PALETTE, pick_colours
from sim.stage.stage import TABLE_TOP
from sim.stage.task import Task, Waypoint, down

FOOT_HALF, FOOT = 0.02, 0.03
"""Half the side of a cup's foot, and its height, m."""
INNER, WALL, BOWL = 0.024, 0.002, 0.024
"""Half the inner side of the bowl over the foot, half its walls' thickness, its height, m. A foot
fits into a bowl with 4 mm to spare on every side, and reaches its floor: `FOOT` is more than
`BOWL`."""
GRIP = 0.012
"""Height over the floor of the bowl at which a cup is gripped, m."""
CUPS = 3
ASIDE, TOLERANCE = 0.012, 0.01
"""A cup counts as stacked if it is no farther (m) from its place, level and upright."""


class StackCups(Task):
    """Three cups; the one that is named stays, the others go into it."""

    name: ClassVar[str] = "stack_cups"
    variations: ClassVar[int] = len(PALETTE)
    has_size: ClassVar[bool] = True

    @classmethod
    def sentences(cls, variation: int) -> list[str]:
        """Ways to name the colour of the cup that stays."""
        colour = PALETTE[variation]
        return [
            f"stack the other cups into the {colour} cup",
            f"place two cups on top of the {colour} cup",
            f"build a tower of cups that stands on the {colour} one",
        ]

    def build(self) -> None:
        """Three cups of different colours."""
        colours = [PALETTE[self.variation]]
        colours += pick_colours(self.random, CUPS - 1, without=colours)
        self.cups = [
            self.stage.joined_boxes(
                _cup(self.size),
                (*place, TABLE_TOP + self.size * FOOT),
                COLOURS[colour],
                yaw=self.random.uniform(-np.pi / 4, np.pi / 4),
            )
            for place, colour in zip(self.places(CUPS, 0.14), colours, strict=True)
        ]

    def succeeded(self) -> bool:
        """Whether the others stand in the cup that was named and in each other, and were let go."""
        base, *others = (self.stage.position(cup) for cup in self.cups)
        heights = sorted(place[2] - base[2] for place in others)
        aside = max(np.linalg.norm(place[:2] - base[:2]) for place in others)
        foot = self.size * FOOT
        level = np.abs(np.array(heights) - foot * np.arange(1, CUPS)).max() < TOLERANCE
        standing = abs(base[2] - TABLE_TOP - foot) < TOLERANCE
        return bool(self.arm.commanded_open and aside < ASIDE and level and standing)

    def waypoints(self) -> Iterator[Waypoint]:
        """For every other cup: grip it, lift it over the stack, set it down, and leave."""
        foot = self.size * FOOT
        for index, cup in enumerate(self.cups[1:], start=1):
            x, y, yaw = self.grasp_of(cup, np.pi / 2)
            stack = self.grasp_of(self.cups[0], np.pi / 2)
            place, turn = stack[:2], stack[2]
            above = down(*place, foot * (index + 1) + GRIP + 0.1, turn)
            yield Waypoint(down(x, y, 0.16, yaw), open=True)
            yield Waypoint(down(x, y, foot + GRIP, yaw), open=False)
            yield Waypoint(down(x, y, 0.2, yaw), open=False)
            yield Waypoint(above, open=False)
            yield Waypoint(down(*place, foot * (index + 1) + GRIP + 0.003, turn), open=True)
            yield Waypoint(above, open=True)


def _cup(size: float) -> list[tuple[tuple[float, float, float], tuple[float, float, float]]]:
    """A solid foot and a bowl; the origin is in the middle of the bowl's floor."""
    foot_half, foot, inner, wall, bowl = size * np.array([FOOT_HALF, FOOT, INNER, WALL, BOWL])
    outer, side = inner + 2 * wall, inner + wall
    walls = [((wall, outer, bowl / 2), (end * side, 0.0, bowl / 2)) for end in (-1, 1)]
    walls += [((inner, wall, bowl / 2), (0.0, end * side, bowl / 2)) for end in (-1, 1)]
    floor = ((outer, outer, wall), (0.0, 0.0, -wall))
    return [((foot_half, foot_half, foot / 2), (0.0, 0.0, -foot / 2)), floor, *walls]
