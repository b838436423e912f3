"""Open one of three drawers and put the cube into it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np

from equigrasp.geometry.transforms import inverse_transform
from sim.stage.bodies import Part, box
from sim.stage.palette import COLOURS
from sim.stage.stage import TABLE_TOP
from sim.stage.task import Task, Waypoint, down
from sim.tasks.open_drawer import (
    HEIGHT,
    NAMES,
    OPENED,
    TAB_AT,
    WIDTH,
    drawer,
    front_distance,
    level_height,
    stair,
)

SIDE = 0.04
TRAY, FLOOR, WALL = 0.115, 0.003, 0.003
"""Depth of a drawer, and half the thickness of its floor and of its sides, m."""
PULL = 0.11
"""How far (m) the script pulls a drawer out."""


class PutItemInDrawer(Task):
    """Bottom, middle or top of a chest like a stair, and a cube beside it."""

    name: ClassVar[str] = "put_item_in_drawer"
    variations: ClassVar[int] = len(NAMES)
    has_size: ClassVar[bool] = True

    @classmethod
    def sentences(cls, variation: int) -> list[str]:
        """Ways to name the drawer."""
        which = NAMES[variation]
        return [
            f"put the cube in the {which} drawer",
            f"open the {which} drawer and place the cube inside",
            f"the cube belongs into the {which} drawer",
        ]

    def build(self) -> None:
        """A chest of three shut drawers, turned a little, and a cube to its left or right."""
        place = np.array([0.44, 0.0]) + self.random.uniform(-1, 1, 2) * [0.02, 0.03]
        self.yaw = self.random.uniform(-math.pi / 36, math.pi / 36)
        levels = range(len(NAMES))
        self.chest = self.stage.jointed(
            [stair(level) for level in levels],
            (*place, TABLE_TOP),
            COLOURS["maroon"],
            [_with_tray(drawer(level)) for level in levels],
            yaw=self.yaw,
        )
        aside = self.random.choice([-1, 1]) * self.random.uniform(0.235, 0.285)
        half = self.size * SIDE / 2
        self.item = self.stage.add(
            box((half,) * 3),
            (self.random.uniform(0.03, 0.12), aside, TABLE_TOP + half),
            COLOURS["lime"],
            yaw=self.random.uniform(-np.pi / 4, np.pi / 4),
        )

    def succeeded(self) -> bool:
        """Whether the cube lies in the drawer that was named, was let go, and no other is open."""
        out = [self.stage.joint(self.chest, level) for level in range(len(NAMES))]
        others = [value for level, value in enumerate(out) if level != self.variation]
        x, y, z = (inverse_transform(self.stage.pose(self.chest)) @ self.stage.pose(self.item))[
            :3, 3
        ]
        inward = x + front_distance(self.variation) + out[self.variation]
        inside = 0 < inward < TRAY and abs(y) < WIDTH
        inside &= abs(z - level_height(self.variation)) < HEIGHT
        return bool(self.arm.commanded_open and inside and max(others) < OPENED / 3)

    def waypoints(self) -> Iterator[Waypoint]:
        """Pull the drawer out by its handle, fetch the cube, and drop it behind the front."""
        outward = -np.array([math.cos(self.yaw), math.sin(self.yaw)])
        front = self.stage.position(self.chest)[:2] + outward * front_distance(self.variation)
        tab, z = front + outward * TAB_AT, level_height(self.variation)
        yield Waypoint(down(*tab, z + 0.09, self.yaw), open=True)
        yield Waypoint(down(*tab, z, self.yaw), open=False)
        pulled = tab + PULL * outward
        yield Waypoint(down(*pulled, z, self.yaw), open=True)
        yield Waypoint(down(*pulled, z + 0.12, self.yaw), open=True)
        x, y, yaw = self.grasp_of(self.item, np.pi / 2)
        yield Waypoint(down(x, y, 0.16, yaw), open=True)
        yield Waypoint(down(x, y, self.size * SIDE / 2, yaw), open=False)
        yield Waypoint(down(x, y, z + 0.16, yaw), open=False)
        over = front + outward * PULL / 2
        yield Waypoint(down(*over, z + 0.13, self.yaw), open=False)
        yield Waypoint(down(*over, z + 0.025, self.yaw), open=True)


def _with_tray(front: Part) -> Part:
    """A drawer's front with a floor and two sides behind it, which slide into the chest."""
    side = WIDTH - 2 * WALL
    floor = ((TRAY / 2, WIDTH - WALL, FLOOR), (TRAY / 2, 0.0, FLOOR + 0.002 - HEIGHT))
    sides = [
        ((TRAY / 2, WALL, HEIGHT / 2), (TRAY / 2, end * side, 0.002 - HEIGHT / 2))
        for end in (-1, 1)
    ]
    return replace(front, boxes=[*front.boxes, floor, *sides])
