"""How far a successful grasp is from failing: the share of disturbed trials that hold as well.

What is planned from an image misses the best pose by millimetres and degrees, and the object may be
heavier than it looks. A disturbance moves and turns the grasp and makes the object heavier; they
come in pairs of opposite moves, so that a grasp at an edge has one that misses.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from sim.grasping.fast_trial import short_trial
from sim.grasping.free_hand import FreeHand
from sim.scene.simulator import Simulator, State

SHIFT = 0.006
"""Length of a disturbance's move, metres."""
TURN = np.radians(8.0)
"""Angle of its turn."""
LOAD = 1.25
"""Factor on the mass of the object."""


def disturbed(poses: np.ndarray, pairs: int, rng: np.random.Generator) -> np.ndarray:
    """Poses around poses, in pairs that are moved and turned the opposite way.

    Args:
        poses: (n, 4, 4) TCP poses.
        pairs: of disturbances per pose.
        rng: draws the directions of moves and the axes of turns, uniformly.

    Returns:
        (n, 2 * pairs, 4, 4).
    """
    moves, axes = rng.normal(size=(2, len(poses), pairs, 3))
    moves *= SHIFT / np.linalg.norm(moves, axis=-1, keepdims=True)
    axes *= TURN / np.linalg.norm(axes, axis=-1, keepdims=True)
    both = np.array([1.0, -1.0]).reshape(-1, 1)
    moves, axes = ((x[:, :, None] * both).reshape(len(poses), 2 * pairs, 3) for x in (moves, axes))
    T = np.repeat(poses[:, None], 2 * pairs, axis=1)
    turns = Rotation.from_rotvec(axes.reshape(-1, 3)).as_matrix().reshape(*axes.shape[:2], 3, 3)
    T[..., :3, :3] = turns @ T[..., :3, :3]
    T[..., :3, 3] += moves
    return T


def holds_heavier(
    world: Simulator, gripper: FreeHand, approached: State, pose: np.ndarray, body: int
) -> bool:
    """Whether a grasp holds although a body weighs `LOAD` times as much.

    Args:
        approached: the scene after the duration of the approach, gripper loaded.
        pose: (4, 4) TCP pose whose approach is free of contacts.
        body: what the undisturbed grasp lifts.
    """
    mass = world.mass(body)
    world.set_mass(body, LOAD * mass)
    try:
        return short_trial(world, gripper, approached, pose).success
    finally:
        world.set_mass(body, mass)
