"""Put the named shape onto its outline on the board."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from sim.stage.bodies import box, prism
from sim.stage.palette import COLOURS
from sim.stage.stage import TABLE_TOP
from sim.stage.task import Task, Waypoint, down

HEIGHT = 0.04
BOARD_HALF = (0.06, 0.2, 0.005)
TOLERANCE = 0.02


def polygon(corners: int, radius: float, start: float = 0.0) -> np.ndarray:
    """Corners (n, 2) of a regular polygon, anticlockwise."""
    angles = start + 2 * math.pi * np.arange(corners) / corners
    return radius * np.column_stack([np.cos(angles), np.sin(angles)])


SHAPES: dict[str, np.ndarray] = {
    "square": polygon(4, 0.03, math.pi / 4),
    "disc": polygon(24, 0.023),
    "triangle": polygon(3, 0.03, math.pi / 2),
    "hexagon": polygon(6, 0.026, math.pi / 6),
    "bar": np.array([[-0.035, -0.012], [0.035, -0.012], [0.035, 0.012], [-0.035, 0.012]]),
}


class SortShape(Task):
    """Three of five shapes lie on the table, each with its outline on the board."""

    name: ClassVar[str] = "sort_shape"
    variations: ClassVar[int] = len(SHAPES)
    has_size: ClassVar[bool] = True

    @classmethod
    def sentences(cls, variation: int) -> list[str]:
        """Ways to name the shape."""
        shape = list(SHAPES)[variation]
        return [
            f"put the {shape} on its place",
            f"sort the {shape} onto the board",
            f"pick up the {shape} and place it where it belongs",
        ]

    def build(self) -> None:
        """A board with the outlines of three shapes, and these shapes beside it, the one that is
        named first."""
        names = list(SHAPES)
        wanted = names[self.variation]
        others = [name for name in names if name != wanted]
        self.shown = [wanted, *(others[i] for i in self.random.permutation(len(others))[:2])]
        board = (0.33, self.random.uniform(-0.06, 0.06))
        middle = (*board, TABLE_TOP + BOARD_HALF[2])
        self.stage.add(box(BOARD_HALF), middle, COLOURS["white"], mass=0)
        slots = self.random.permutation([-0.12, 0.0, 0.12])
        places = self.places(3, 0.12, ((0.03, 0.2), (-0.25, 0.25)))
        self.bodies, self.outlines = [], []
        for index, name in enumerate(self.shown):
            slot = np.array([board[0], board[1] + slots[index]])
            above = (*slot, TABLE_TOP + 2 * BOARD_HALF[2] + 0.001)
            self.outlines.append(
                self.stage.outline(self.size * SHAPES[name], above, COLOURS["gray"])
            )
            body = self.stage.add(
                prism(self.size * SHAPES[name], HEIGHT),
                (*places[index], TABLE_TOP + HEIGHT / 2),
                COLOURS["blue"],
                yaw=self.random.uniform(-math.pi / 8, math.pi / 8),
            )
            self.bodies.append(body)
            if not index:
                self.goal, self.shape = slot, body

    def succeeded(self) -> bool:
        """Whether the shape that was named lies on its outline, and was let go."""
        x, y, z = self.stage.position(self.shape)
        aside = np.linalg.norm(np.array([x, y]) - self.goal)
        resting = abs(z - TABLE_TOP - 2 * BOARD_HALF[2] - HEIGHT / 2) < TOLERANCE
        return bool(self.arm.commanded_open and aside < TOLERANCE and resting)

    def waypoints(self) -> Iterator[Waypoint]:
        """Grasp the shape, lift it, bring it over its outline, and set it down."""
        x, y, yaw = self.grasp_of(self.shape, math.pi)
        on_board = 2 * BOARD_HALF[2] + HEIGHT / 2
        yield Waypoint(down(x, y, 0.14, yaw), open=True)
        yield Waypoint(down(x, y, HEIGHT / 2 + 0.005, yaw), open=False)
        yield Waypoint(down(x, y, 0.15, yaw), open=False)
        yield Waypoint(down(*self.goal, on_board + 0.08), open=False)
        yield Waypoint(down(*self.goal, on_board + 0.008), open=True)
