"""Put the lid on the jar of a colour."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from sim.stage.bodies import cylinder
from sim.stage.palette import COLOURS, PALETTE, pick_colours
from sim.stage.stage import TABLE_TOP
from sim.stage.task import Task, Waypoint, down

JAR_RADIUS, JAR_HEIGHT = 0.03, 0.09
LID_RADIUS, LID_HEIGHT = 0.032, 0.02
TOLERANCE = 0.015


class LidOnJar(Task):
    """Two jars, one lid."""

    name: ClassVar[str] = "lid_on_jar"
    variations: ClassVar[int] = len(PALETTE)
    has_size: ClassVar[bool] = True

    @classmethod
    def sentences(cls, variation: int) -> list[str]:
        """Ways to name the colour of the jar."""
        colour = PALETTE[variation]
        return [
            f"put the lid on the {colour} jar",
            f"close the {colour} jar",
            f"pick up the lid and set it on the {colour} jar",
        ]

    def build(self) -> None:
        """Two jars of different colours, and a lid."""
        colours = [PALETTE[self.variation]]
        colours += pick_colours(self.random, 1, without=colours)
        places = self.places(3, 0.14)
        self.goal, self.height = places[0], self.size * JAR_HEIGHT
        for place, colour in zip(places, colours, strict=False):
            middle = (*place, TABLE_TOP + self.height / 2)
            self.stage.add(cylinder(JAR_RADIUS, self.height), middle, COLOURS[colour], mass=0)
        lid, middle = cylinder(LID_RADIUS, LID_HEIGHT), (*places[2], TABLE_TOP + LID_HEIGHT / 2)
        self.lid = self.stage.add(lid, middle, COLOURS["gray"])

    def succeeded(self) -> bool:
        """Whether the lid lies on the jar that was named, and was let go."""
        x, y, z = self.stage.position(self.lid)
        aside = np.linalg.norm(np.array([x, y]) - self.goal)
        above = abs(z - TABLE_TOP - self.height - LID_HEIGHT / 2)
        return bool(self.arm.commanded_open and aside < TOLERANCE and above < TOLERANCE)

    def waypoints(self) -> Iterator[Waypoint]:
        """Grasp the lid, lift it, bring it over the jar, and set it down."""
        x, y, _ = self.stage.position(self.lid)
        on_top = self.height + LID_HEIGHT / 2
        yield Waypoint(down(x, y, 0.14), open=True)
        yield Waypoint(down(x, y, LID_HEIGHT / 2 + 0.002), open=False)
        yield Waypoint(down(x, y, 0.2), open=False)
        yield Waypoint(down(*self.goal, on_top + 0.07), open=False)
        yield Waypoint(down(*self.goal, on_top + 0.004), open=True)
