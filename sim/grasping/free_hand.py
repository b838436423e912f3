"""The free-floating hand of any simulator: the protocol `FreeHand`; `sim.grasping.hands` makes one.

The grasp frame (TCP) lies between the finger tips, z approach, y closing. What moves the hand is a
drive that leaves a fifth less of its error per step; the fingers close with the hand's force.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from equigrasp.hand import Hand
from sim.scene.simulator import Simulator

DRIVE_GAIN = 0.8
"""Share of the drive's error that one simulation step leaves."""
DRIVE_FORCE = 300.0
"""Greatest force of the drive, newtons."""
PARKING_HEIGHT = 1.5


class FreeHand(Protocol):
    """A hand in a `Simulator`. `load` before use; `unload` takes it out again.

    Its parts are numbered as in `sim.grasping.body`: palm 0, left finger 1, right finger 2.

    Attributes:
        world: where it is.
        hand: what it is.
        body: its body id, None while it is not loaded.
    """

    world: Simulator
    hand: Hand
    body: int | None

    @property
    def parked(self) -> np.ndarray:
        """(4, 4) pose of the TCP out of the way, high over the middle of the workspace."""

    def load(self, T_world_tcp: np.ndarray, width: float | None = None) -> None:
        """Load the hand with its TCP at a (4, 4) pose.

        Args:
            width: between the fingers, metres; None for the whole opening.

        Raises:
            ValueError: if it is loaded already or `width` is beyond the opening.
        """

    def unload(self) -> None:
        """Take the hand out of the world."""

    def teleport(self, T_world_tcp: np.ndarray, width: float | None = None) -> None:
        """Put the hand at a pose, at rest, without moving through what lies between.

        Args:
            width: between the fingers, metres; None for the whole opening.
        """

    def place(self, T_world_tcp: np.ndarray) -> None:
        """Move the hand alone to a pose, for distance queries: the drive stays where it was."""

    def set_velocity(self, velocity: np.ndarray) -> None:
        """Give the hand a linear velocity (3,) in m/s, no rotation."""

    def drive_to(self, T_world_tcp: np.ndarray) -> None:
        """Set the pose that the drive pulls the hand towards in the coming steps."""

    def set_width(self, width: float | None = None) -> None:
        """Put the fingers `width` metres apart at once, and hold them there; None for all open.

        Raises:
            ValueError: if `width` is beyond the opening.
        """

    def command_width(self, width: float) -> None:
        """Let the finger motors move towards an opening of `width` metres."""

    def close(self) -> None:
        """Command an opening of zero."""

    @property
    def width(self) -> float:
        """Present opening in metres."""

    @property
    def fingers(self) -> tuple[float, float]:
        """How far left and right finger are from the closed position, metres."""

    def tcp_position(self) -> np.ndarray:
        """(3,) present position of the TCP."""

    def contacts(self) -> set[int]:
        """Ids of the bodies that touched the hand in the last step."""

    def stands_in(self) -> set[int]:
        """Ids of the bodies that the hand was put into and that leave it before a move looks.

        None of a simulator that pushes bodies apart so slowly that the first look finds them.
        """

    def contact_forces(self) -> dict[int, dict[int, float]]:
        """Body id -> {number of a part: summed normal force in N} in the last step.

        Numbers may begin below 0; they tell parts apart.
        """

    def place_of(self, body: int) -> np.ndarray:
        """(3,) centre of mass of a body in a frame that the palm carries, metres."""

    def clearances(self, body: int, reach: float) -> Iterable[tuple[int, float]]:
        """(number of a part, distance in metres) of closest points of the hand and a body.

        Contact margins count as part of the shapes; what is farther than `reach` is left out.
        """

    def contact_distances(self) -> dict[int, np.ndarray]:
        """Body id of objects and table -> (3,) distance in metres, beyond the contact margins, at
        which the simulator reports a contact with each part.

        Bodies may be moved to measure them: restore the world afterwards. The hand must stand
        unturned.
        """


def check_width(width: float | None, hand: Hand) -> float:
    """A width, or the whole opening for None.

    Raises:
        ValueError: if it is beyond the opening.
    """
    width = hand.opening if width is None else width
    if not 0.0 <= width <= hand.opening:
        raise ValueError(f"width {width} m is outside [0, {hand.opening}] m; clip it")
    return width


def parked_pose(world: Simulator) -> np.ndarray:
    """(4, 4) pose of a TCP out of the way, high over the middle of the workspace."""
    T = np.eye(4)
    T[:3, 3] = world.workspace.side / 2, world.workspace.side / 2, PARKING_HEIGHT
    return T
