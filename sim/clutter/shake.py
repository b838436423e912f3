"""Whether a lifted object stays in a hand that is turned downwards, moved up and down, and tilted.

The moves are those of the labels of Edge Grasp and of contact grasps of Equivariant Volumetric
Grasping; published evaluations only lift. There tilts are commanded at once, here they take time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.spatial.transform import Rotation

from sim.grasping.free_hand import FreeHand
from sim.grasping.trial import DOWN, empty_width, increments, lifted_body
from sim.scene.simulator import Simulator

STROKE = 0.05
"""Up and down, twice, metres."""
TILT = np.pi / 12
"""To either side about the closing direction, radians."""
TURN_INCREMENT = np.deg2rad(2.0)
"""Turns are made in steps no larger than this, radians."""


def holds_when_shaken(world: Simulator, gripper: FreeHand, T_lifted: np.ndarray, body: int) -> bool:
    """Shake a hand that holds a body; whether it still does after every move.

    Args:
        T_lifted: (4, 4) commanded pose of the TCP after the lift.
        body: what it holds.
    """
    T = T_lifted
    for target in shaking(T_lifted):
        _drive(world, gripper, T, target)
        T = target
        if gripper.width <= empty_width(gripper.hand) or lifted_body(gripper, world) != body:
            return False
    return True


def shaking(T_lifted: np.ndarray) -> Iterator[np.ndarray]:
    """(4, 4) poses in the order in which the hand goes to them."""
    level = T_lifted.copy()
    level[:3, :3] = _turned_down(T_lifted[:3, :3])
    yield level
    high = level.copy()
    high[2, 3] += STROKE
    for _ in range(2):
        yield high
        yield level
    for sign in (1, -1):
        tilted = level.copy()
        tilted[:3, :3] @= Rotation.from_euler("y", sign * TILT).as_matrix()
        yield tilted


def _turned_down(rotation: np.ndarray) -> np.ndarray:
    """(3, 3) rotation turned the short way until its approach points straight down."""
    approach = rotation[:, 2]
    axis = np.cross(approach, DOWN)
    length = np.linalg.norm(axis)
    angle = np.arctan2(length, approach @ DOWN)
    # An approach straight up has no short way: it turns about its own closing direction.
    axis = axis / length if length > 1e-9 else rotation[:, 1]
    return Rotation.from_rotvec(angle * axis).as_matrix() @ rotation


def _drive(world: Simulator, gripper: FreeHand, begin: np.ndarray, end: np.ndarray) -> None:
    """From one commanded pose to the next, straight, turning evenly."""
    turn = Rotation.from_matrix(end[:3, :3] @ begin[:3, :3].T).as_rotvec()
    way = end[:3, 3] - begin[:3, 3]
    moves, steps = increments(float(np.linalg.norm(way)))
    count = max(moves, int(np.ceil(np.linalg.norm(turn) / TURN_INCREMENT)))
    if count > moves:
        steps = increments(STROKE)[1]
    T = end.copy()
    for i in range(1, count + 1):
        T[:3, :3] = Rotation.from_rotvec(turn * (i / count)).as_matrix() @ begin[:3, :3]
        T[:3, 3] = begin[:3, 3] + way * (i / count)
        gripper.drive_to(T)
        world.step(steps)
