"""Put the block into the tray of a colour."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from sim.stage.bodies import box
from sim.stage.palette import COLOURS, PALETTE, pick_colours
from sim.stage.stage import TABLE_TOP
from sim.stage.task import Task, Waypoint, down

SIDE = 0.04
TRAY_HALF, WALL, WALL_HEIGHT = 0.06, 0.005, 0.03
TRAYS = 3


class BlockInTray(Task):
    """One block, three trays."""

    name: ClassVar[str] = "block_in_tray"
    variations: ClassVar[int] = len(PALETTE)
    has_size: ClassVar[bool] = True

    @classmethod
    def sentences(cls, variation: int) -> list[str]:
        """Ways to name the colour of the tray."""
        colour = PALETTE[variation]
        return [
            f"put the block in the {colour} tray",
            f"drop the block into the {colour} tray",
            f"the block belongs into the {colour} tray",
        ]

    def build(self) -> None:
        """Three trays of different colours, and a block."""
        colours = [PALETTE[self.variation]]
        colours += pick_colours(self.random, TRAYS - 1, without=colours)
        places = self.places(1 + TRAYS, 0.15)
        for place, colour in zip(places[1:], colours, strict=True):
            self._tray(place, colour)
        self.goal = places[1]
        half = self.size * SIDE / 2
        self.block = self.stage.add(
            box((half,) * 3),
            (*places[0], TABLE_TOP + half),
            COLOURS["gray"],
            yaw=self.random.uniform(-np.pi / 4, np.pi / 4),
        )

    def succeeded(self) -> bool:
        """Whether the block lies in the tray that was named, and was let go."""
        x, y, z = self.stage.position(self.block)
        inside = np.abs(np.array([x, y]) - self.goal).max() < TRAY_HALF
        return bool(self.arm.commanded_open and inside and z < TABLE_TOP + 0.05)

    def waypoints(self) -> Iterator[Waypoint]:
        """Grasp the block from above, lift it, and drop it into the tray."""
        x, y, yaw = self.grasp_of(self.block, np.pi / 2)
        yield Waypoint(down(x, y, 0.14, yaw), open=True)
        yield Waypoint(down(x, y, self.size * SIDE / 2, yaw), open=False)
        yield Waypoint(down(x, y, 0.16, yaw), open=False)
        yield Waypoint(down(*self.goal, 0.08), open=True)

    def _tray(self, place: np.ndarray, colour: str) -> None:
        half, high = TRAY_HALF, WALL_HEIGHT / 2
        walls = [((half, WALL, high), (0, side * half, high)) for side in (-1, 1)]
        walls += [((WALL, half, high), (side * half, 0, high)) for side in (-1, 1)]
        walls.append(((half, half, 0.002), (0, 0, 0.002)))
        self.stage.joined_boxes(walls, (*place, TABLE_TOP), COLOURS[colour], mass=0)
