"""The shortened trial of the fast labeller, for grasps whose approach is known to be free.

The approach disturbs nothing, so the trial starts at its end: the scene as it stands after the
approach's duration, the hand where the lagging drive would have brought it, at its speed. Closing
stops when the fingers stall, lifting as soon as the outcome shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equigrasp.data.vocabulary import Fate
from sim.grasping.gripper import Gripper
from sim.grasping.sweep import arrival_offset
from sim.grasping.trial import (
    APPROACH_DISTANCE,
    CLOSE_STEPS,
    RETREAT_DISTANCE,
    TrialOutcome,
    empty_width,
    increments,
    lifted_body,
    move,
    pregrasp,
    retreat_offset,
)
from sim.scene.client import TIME_STEP
from sim.scene.world import Snapshot, World


@dataclass(frozen=True)
class EarlyExit:
    """When a trial's outcome counts as known.

    Attributes:
        stall_steps: steps between two looks at the opening while closing.
        stall_change: opening change in metres between two looks below which the fingers stall.
        lift_increments: fewest increments (2 mm each) of lift before success is declared.
        stable_increments: increments over which the opening must not change.
        stable_change: opening change in metres that counts as none.
    """

    stall_steps: int = 4
    stall_change: float = 3e-4
    lift_increments: int = 5
    stable_increments: int = 3
    stable_change: float = 3e-4


EARLY_EXIT = EarlyExit()


def approach_steps() -> int:
    """Simulation steps that the approach of a trial takes."""
    count, steps = increments(APPROACH_DISTANCE)
    return count * steps


def start_pose(pose: np.ndarray) -> np.ndarray:
    """(4, 4) pose of the hand at the end of the approach, short of the commanded `pose`."""
    T = pose.copy()
    T[:3, 3] += arrival_offset() * pose[:3, 2]
    return T


def short_trial(
    world: World, gripper: Gripper, approached: Snapshot, pose: np.ndarray, early: EarlyExit
) -> TrialOutcome:
    """Close and lift at a pose whose approach is free of contacts.

    Args:
        approached: the scene after the duration of the approach, gripper loaded.
        pose: (4, 4) TCP pose.
    """
    world.restore(approached)
    gripper.teleport(start_pose(pose))
    gripper.drive_to(pose)
    count, steps = increments(APPROACH_DISTANCE)
    speed = APPROACH_DISTANCE / count / (steps * TIME_STEP)
    gripper.set_velocity(speed * pose[:3, 2])
    return _close_and_lift(world, gripper, pose, early)


def audit_trial(
    world: World, gripper: Gripper, begin: Snapshot, pose: np.ndarray, early: EarlyExit
) -> TrialOutcome:
    """Simulate the approach step by step, then close and lift; nothing is taken for granted.

    Args:
        begin: the scene as found, gripper loaded.
        pose: (4, 4) TCP pose.
    """
    world.restore(begin)
    gripper.teleport(pregrasp(pose))
    made, touched = move(world, gripper, pose, stop_on_contact=True)
    if touched:
        fate = Fate.COLLISION_START if made == 1 else Fate.COLLISION_APPROACH
        return TrialOutcome(False, gripper.hand.opening, fate, touched=frozenset(touched))
    return _close_and_lift(world, gripper, pose, early)


def _close_and_lift(
    world: World, gripper: Gripper, pose: np.ndarray, early: EarlyExit
) -> TrialOutcome:
    _close(world, gripper, early)
    if gripper.width <= empty_width(gripper.hand) or not gripper.contacts():
        return TrialOutcome(False, gripper.width, Fate.EMPTY_CLOSE)
    return _lift(world, gripper, pose, early)


def _close(world: World, gripper: Gripper, early: EarlyExit) -> None:
    gripper.close()
    width = gripper.hand.opening
    for _ in range(0, CLOSE_STEPS, early.stall_steps):
        world.step(early.stall_steps)
        previous, width = width, gripper.width
        if abs(previous - width) < early.stall_change or width <= empty_width(gripper.hand):
            return


def _lift(world: World, gripper: Gripper, pose: np.ndarray, early: EarlyExit) -> TrialOutcome:
    T, start = pose.copy(), gripper.tcp_position()
    travel = pose[:3, 3] + retreat_offset(pose) - start
    count, steps = increments(RETREAT_DISTANCE)
    widths = [gripper.width]
    for i in range(1, count + 1):
        T[:3, 3] = start + travel * (i / count)
        gripper.drive_to(T)
        world.step(steps)
        widths.append(gripper.width)
        if widths[-1] <= empty_width(gripper.hand):
            return TrialOutcome(False, widths[-1], Fate.SLIPPED)
        if i >= early.lift_increments and _stable(widths, early):
            break
    body = lifted_body(gripper, world)
    if body is None:
        return TrialOutcome(False, gripper.width, Fate.SLIPPED)
    return TrialOutcome(True, gripper.width, Fate.SUCCESS, body)


def _stable(widths: list[float], early: EarlyExit) -> bool:
    recent = widths[-early.stable_increments - 1 :]
    return max(recent) - min(recent) < early.stable_change
