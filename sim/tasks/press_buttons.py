"""Press buttons in the order that the sentence names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from sim.stage.bodies import Part
from sim.stage.palette import COLOURS, PALETTE, in_order, pick_colours
from sim.stage.stage import TABLE_TOP
from sim.stage.task import Task, Waypoint, down

BASE_HALF, CAP_HALF = (0.03, 0.03, 0.012), (0.02, 0.02, 0.012)
CAP_TOP = 2 * BASE_HALF[2] + CAP_HALF[2]
PRESSED = 0.004
"""A cap that is so much (m) lower counts as pressed."""
BUTTONS = 3


class PressButtons(Task):
    """One to three of three buttons, in order; a button out of turn spoils it."""

    name: ClassVar[str] = "press_buttons"
    variations: ClassVar[int] = BUTTONS * len(PALETTE)
    has_size: ClassVar[bool] = True

    @classmethod
    def wanted(cls, variation: int) -> list[str]:
        """Colours to be pressed, in order."""
        count, first = 1 + variation % BUTTONS, variation // BUTTONS
        return [PALETTE[(first + 2 * i) % len(PALETTE)] for i in range(count)]

    @classmethod
    def sentences(cls, variation: int) -> list[str]:
        """Ways to name the buttons in their order."""
        colours = cls.wanted(variation)
        return [
            f"press the {in_order(colours, 'button')}",
            f"push the {in_order(colours, 'button')}",
            "press the buttons in this order: " + ", ".join(colours),
        ]

    def build(self) -> None:
        """Three buttons of different colours, those to be pressed first."""
        colours = self.wanted(self.variation)
        colours += pick_colours(self.random, BUTTONS - len(colours), without=colours)
        cap = (self.size * CAP_HALF[0], self.size * CAP_HALF[1], CAP_HALF[2])
        self.buttons = [
            self.stage.jointed(
                [(BASE_HALF, (0, 0, 0))],
                (*place, TABLE_TOP + BASE_HALF[2]),
                COLOURS["silver"],
                [
                    Part(
                        boxes=[(cap, (0, 0, 0))],
                        at=(0, 0, BASE_HALF[2]),
                        colour=COLOURS[colour],
                        axis=(0, 0, 1),
                        slides=True,
                        limits=(-0.01, 0.0),
                        spring=4.0,
                        mass=0.02,
                    )
                ],
            )
            for place, colour in zip(self.places(BUTTONS, 0.14), colours, strict=True)
        ]
        self.pressed: list[int] = []
        self.stage.watchers.append(self._watch)

    def succeeded(self) -> bool:
        """Whether the buttons that were named were pressed, in order, and no other one."""
        return self.pressed == list(range(len(self.wanted(self.variation))))

    def waypoints(self) -> Iterator[Waypoint]:
        """For every button: go above it, and press it with closed fingers."""
        for button in self.buttons[: len(self.wanted(self.variation))]:
            x, y, _ = self.stage.position(button)
            yield Waypoint(down(x, y, CAP_TOP + 0.1), open=False)
            yield Waypoint(down(x, y, CAP_TOP + 0.002), open=False)

    def _watch(self) -> None:
        for index, button in enumerate(self.buttons):
            if index not in self.pressed and self.stage.joint(button, 0) < -PRESSED:
                self.pressed.append(index)
