"""Turn the lever of a colour to the left or to the right."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from sim.stage.bodies import Part
from sim.stage.palette import COLOURS, PALETTE, pick_colours
from sim.stage.stage import TABLE_TOP
from sim.stage.task import Task, Waypoint, down, yaw_of

POST_HALF = (0.02, 0.02, 0.03)
LEVER_HALF = (0.055, 0.01, 0.012)
HEIGHT = 2 * POST_HALF[2] + LEVER_HALF[2]
ARM = 0.085
"""From the axis to where the lever is pushed, m."""
TURNED = math.radians(35)
SWING = math.radians(50)
"""The script pushes so far; a lever that has turned `TURNED` counts."""
SIDES = ("left", "right")


class TurnLever(Task):
    """Two levers that point at the arm; one of them is to be turned, the other not."""

    name: ClassVar[str] = "turn_lever"
    variations: ClassVar[int] = len(SIDES) * len(PALETTE)
    has_size: ClassVar[bool] = True

    @classmethod
    def wanted(cls, variation: int) -> tuple[str, str]:
        """Colour and side."""
        return PALETTE[variation // len(SIDES)], SIDES[variation % len(SIDES)]

    @classmethod
    def sentences(cls, variation: int) -> list[str]:
        """Ways to name the colour of the lever and the side."""
        colour, side = cls.wanted(variation)
        return [
            f"turn the {colour} lever to the {side}",
            f"push the {colour} lever {side}",
            f"swing the handle of the {colour} lever over to the {side}",
        ]

    def build(self) -> None:
        """Two levers of different colours that point at the arm."""
        colour, _ = self.wanted(self.variation)
        colours = [colour, *pick_colours(self.random, 1, without=[colour])]
        sides = self.random.permutation([-1, 1])
        self.levers = []
        half = (self.size * LEVER_HALF[0], *LEVER_HALF[1:])
        for name, side in zip(colours, sides, strict=True):
            x, y = np.array([0.27, 0.16 * side]) + self.random.uniform(-0.03, 0.03, 2)
            lever = Part(
                boxes=[(half, (0.01 - half[0], 0, 0))],
                at=(0, 0, POST_HALF[2] + LEVER_HALF[2]),
                colour=COLOURS[name],
                axis=(0, 0, 1),
                slides=False,
                limits=(-math.pi / 2, math.pi / 2),
                drag=0.02,
            )
            self.levers.append(
                self.stage.jointed(
                    [(POST_HALF, (0, 0, 0))],
                    (x, y, TABLE_TOP + POST_HALF[2]),
                    COLOURS["silver"],
                    [lever],
                    yaw=self.random.uniform(-0.2, 0.2),
                )
            )

    def succeeded(self) -> bool:
        """Whether the lever that was named has turned to its side, and the other one has not."""
        turned, other = (self.stage.joint(lever, 0) for lever in self.levers)
        return self._sign() * turned > TURNED and abs(other) < TURNED / 3

    def waypoints(self) -> Iterator[Waypoint]:
        """Go down beside the end of the lever with closed fingers, and push it around."""
        pose = self.stage.pose(self.levers[0])
        yaw = yaw_of(pose)
        axis, sign = pose[:2, 3], self._sign()
        begin = self._beside(axis, yaw, sign, -math.radians(35))
        end = self._beside(axis, yaw, sign, SWING - math.radians(8))
        yield Waypoint(down(*begin, HEIGHT + 0.1, yaw), open=False)
        yield Waypoint(down(*begin, HEIGHT + 0.002, yaw), open=False)
        yield Waypoint(down(*end, HEIGHT + 0.002, yaw), open=False)

    def _sign(self) -> int:
        """Of the turn about the vertical that brings the free end, which points at the arm, to the
        side as the arm sees it."""
        return -1 if self.wanted(self.variation)[1] == "left" else 1

    def _beside(self, axis: np.ndarray, yaw: float, sign: int, angle: float) -> np.ndarray:
        """Point at the lever's end when it has turned by an angle; negative: before the lever."""
        direction = yaw + math.pi + sign * angle
        return axis + self.size * ARM * np.array([math.cos(direction), math.sin(direction)])
