"""Take the hooked stick and drag the cube onto the patch of a colour."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from equigrasp.geometry.transforms import Matrix
from sim.stage.bodies import box
from sim.stage.palette import COLOURS, PALETTE, pick_colours
from sim.stage.stage import TABLE_TOP
from sim.stage.task import Task, Waypoint, down, yaw_of

CUBE = 0.04
PATCH_HALF = 0.05
REACH = 0.13
"""From the cube to the middle of a patch, m."""
LENGTH, THICK = 0.16, 0.012
"""From the grip to the hook at the end of the stick, and half its thickness, m."""
HOOK_HALF, BESIDE = 0.035, 0.042
"""Half the hook's length; the stick passes the middle of the cube at `BESIDE`, m."""
TRIES = 3
"""So often the script hooks the cube."""
SIDES = (math.pi, math.pi / 2, -math.pi / 2)
"""Directions of dragging: towards the arm, to the left, to the right."""


class DragWithStick(Task):
    """One of three patches."""

    name: ClassVar[str] = "drag_with_stick"
    variations: ClassVar[int] = len(PALETTE)
    has_size: ClassVar[bool] = True

    @classmethod
    def sentences(cls, variation: int) -> list[str]:
        """Ways to name the colour of the patch."""
        colour = PALETTE[variation]
        return [
            f"use the stick to drag the cube onto the {colour} square",
            f"grasp the stick and pull the cube to the {colour} patch",
            f"drag the cube onto the {colour} target with the stick",
        ]

    def build(self) -> None:
        """A cube between three patches, and a stick with a hook aside."""
        wanted = PALETTE[self.variation]
        side = self.random.randint(len(SIDES))
        colours = pick_colours(self.random, len(SIDES) - 1, without=[wanted])
        colours.insert(side, wanted)
        left = self.random.choice([-1, 1])
        centre = np.array([0.24, -0.06 * left]) + self.random.uniform(-0.02, 0.02, 2)
        for angle, colour in zip(SIDES, colours, strict=True):
            x, y = centre + REACH * np.array([math.cos(angle), math.sin(angle)])
            self.stage.patch((PATCH_HALF, PATCH_HALF), (x, y), COLOURS[colour])
        self.angle = SIDES[side]
        self.goal = centre + REACH * np.array([math.cos(self.angle), math.sin(self.angle)])
        half = self.size * CUBE / 2
        self.cube = self.stage.add(box((half,) * 3), (*centre, TABLE_TOP + half), COLOURS["gray"])
        place = (0.1 + self.random.uniform(0, 0.04), 0.25 * left, TABLE_TOP + THICK)
        self.stick = self.stage.joined_boxes(
            [
                ((LENGTH / 2 + THICK, THICK, THICK), (LENGTH / 2, 0, 0)),
                ((THICK, HOOK_HALF, THICK), (LENGTH, HOOK_HALF, 0)),
            ],
            place,
            COLOURS["olive"],
            yaw=self.random.uniform(-0.2, 0.2),
        )

    def succeeded(self) -> bool:
        """Whether the middle of the cube is well inside the patch that was named."""
        aside = np.linalg.norm(self.stage.position(self.cube)[:2] - self.goal)
        return bool(aside < 0.6 * PATCH_HALF)

    def waypoints(self) -> Iterator[Waypoint]:
        """Take the stick, put its hook behind the cube, and drag; again, if the cube was lost."""
        pose = self.stage.pose(self.stick)
        yaw = yaw_of(pose)
        x, y = pose[:2, 3]
        yield Waypoint(down(x, y, 0.14, yaw), open=True)
        yield Waypoint(down(x, y, THICK, yaw), open=False)
        yield Waypoint(down(x, y, 0.15, yaw), open=False)
        # The stick points against the way it drags, its hook beyond the cube.
        turn = math.atan2(-math.sin(self.angle), -math.cos(self.angle))
        c, s = math.cos(turn), math.sin(turn)
        along, aside = np.array([c, s]), np.array([-s, c])
        hooked = (LENGTH - THICK - self.size * CUBE / 2) * along + BESIDE * aside
        for _ in range(TRIES):
            start = self.stage.position(self.cube)[:2] - hooked + 0.02 * along
            yield Waypoint(self.stick_at(start, 0.15, turn), open=False)
            yield Waypoint(self.stick_at(start, THICK + 0.004, turn), open=False)
            yield Waypoint(self.stick_at(self.goal - hooked, THICK + 0.004, turn), open=False)
            if self.succeeded():
                return
            x, y = self.arm.tip[:2, 3]
            yield Waypoint(down(x, y, 0.15, yaw_of(self.arm.tip)), open=False)

    def stick_at(self, at: np.ndarray, z: float, yaw: float) -> Matrix:
        """Pose (4, 4) in the world of a tip that looks down and brings the stick somewhere.

        Args:
            at: (2,) of the stick's grip in the world, m, however it lies in the hand.
            z: of the tip above the table's top, m.
            yaw: of the stick, rad.
        """
        tip, stick = self.arm.tip, self.stage.pose(self.stick)
        turned = yaw - yaw_of(stick)
        c, s = math.cos(turned), math.sin(turned)
        aside = np.array([[c, -s], [s, c]]) @ (stick[:2, 3] - tip[:2, 3])
        return down(*(at - aside), z, yaw_of(tip) + turned)
