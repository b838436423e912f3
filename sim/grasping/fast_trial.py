"""The shortened trial of the fast labeller, for grasps whose approach is known to be free.

The approach disturbs nothing, so the trial starts at its end: the scene as it stands after the
approach's duration, the hand where the lagging drive would have brought it, at its speed. Closing
stops when the fingers stall, lifting as soon as the outcome shows.
"""

from __future__ import annotations

import numpy as np

from equigrasp.data.vocabulary import Fate
from sim.grasping.free_hand import FreeHand
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
from sim.scene.simulator import GRAVITY, TIME_STEP, Simulator, State

STALL_STEPS = 4
"""Steps between two looks at the opening while closing."""
STALL_CHANGE = 3e-4
"""Fingers that move less than this between two looks have stalled, metres."""
LIFT_INCREMENTS = 5
"""Fewest increments (2 mm each) of lift before success is declared."""
STABLE_INCREMENTS = 3
"""Increments of lift over which neither the opening nor the object in the hand may move."""
STABLE_CHANGE = 3e-4
"""A change of the opening in metres that counts as none."""
CREEP = 1e-3
"""An object counts as held if, going on as it creeps, it would slip less than this (m) in
all."""
HEAVY = 0.12
"""From this share of the weight that the fingers can hold at most, a lift is made to its end."""
MOST_SLIP = 0.010
"""A heavy object that slipped further (m) does not count as held: whether it stays in the hand is
a matter of chance then. Light ones may swing."""


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
    world: Simulator, gripper: FreeHand, approached: State, pose: np.ndarray
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
    return _close_and_lift(world, gripper, pose)


def audit_trial(
    world: Simulator, gripper: FreeHand, begin: State, pose: np.ndarray
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
    return _close_and_lift(world, gripper, pose)


def _close_and_lift(world: Simulator, gripper: FreeHand, pose: np.ndarray) -> TrialOutcome:
    _close(world, gripper)
    if gripper.width <= empty_width(gripper.hand) or not gripper.contacts():
        return TrialOutcome(False, gripper.width, Fate.EMPTY_CLOSE)
    return _lift(world, gripper, pose)


def _close(world: Simulator, gripper: FreeHand) -> None:
    gripper.close()
    width = gripper.hand.opening
    for _ in range(0, CLOSE_STEPS, STALL_STEPS):
        world.step(STALL_STEPS)
        previous, width = width, gripper.width
        if abs(previous - width) < STALL_CHANGE or width <= empty_width(gripper.hand):
            return


def _lift(world: Simulator, gripper: FreeHand, pose: np.ndarray) -> TrialOutcome:
    T, start = pose.copy(), gripper.tcp_position()
    travel = pose[:3, 3] + retreat_offset(pose) - start
    count, steps = increments(RETREAT_DISTANCE)
    widths, places = [gripper.width], []
    body, heavy = None, False
    for i in range(1, count + 1):
        T[:3, 3] = start + travel * (i / count)
        gripper.drive_to(T)
        world.step(steps)
        widths.append(gripper.width)
        if widths[-1] <= empty_width(gripper.hand):
            return TrialOutcome(False, widths[-1], Fate.SLIPPED)
        held = lifted_body(gripper, world)
        if held is None:
            continue
        if held != body:  # a neighbour that the hand only brushed, or pushed off, tells nothing
            body, places = held, []
            heavy = load_share(world, gripper, body) >= HEAVY
        places.append(gripper.place_of(body))
        if i >= LIFT_INCREMENTS and not heavy and _holds(widths, places, count - i):
            break
    lifted = lifted_body(gripper, world)
    if lifted is None or (heavy and _slip(places) > MOST_SLIP):
        return TrialOutcome(False, gripper.width, Fate.SLIPPED)
    return TrialOutcome(True, gripper.width, Fate.SUCCESS, lifted)


def load_share(world: Simulator, gripper: FreeHand, body: int) -> float:
    """Weight of a body as a share of what two fingers can hold by friction at most."""
    mass, friction = world.mass(body), world.friction(body)
    return -GRAVITY * mass / (2.0 * gripper.hand.closing_force * gripper.hand.friction * friction)


def _holds(widths: list[float], places: list[np.ndarray], left: int) -> bool:
    """Whether nothing moves in the hand that would matter in the `left` increments to come."""
    if len(places) <= STABLE_INCREMENTS:
        return False
    recent = widths[-STABLE_INCREMENTS - 1 :]
    creep = float(np.linalg.norm(places[-1] - places[-STABLE_INCREMENTS - 1])) / STABLE_INCREMENTS
    return max(recent) - min(recent) < STABLE_CHANGE and creep * left < CREEP


def _slip(places: list[np.ndarray]) -> float:
    """How far (m) a body moved in the hand since it had been taken up."""
    return float(np.linalg.norm(places[-1] - places[min(LIFT_INCREMENTS, len(places) - 1)]))
