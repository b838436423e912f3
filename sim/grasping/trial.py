"""One simulated grasp: approach, close, retreat, and whether an object came along.

The phases and constants are those of the published VGN/GIGA trial. Labelling counts any contact
during the approach as a failure; evaluation carries on (`allow_contact`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equigrasp.data.vocabulary import Fate
from equigrasp.grasp import PREGRASP, RETREAT, retreat_direction
from equigrasp.hand import Hand
from sim.grasping.free_hand import FreeHand
from sim.scene.simulator import TIME_STEP, Simulator

APPROACH_DISTANCE = PREGRASP
RETREAT_DISTANCE = RETREAT
MOVE_INCREMENT = 0.002
MOVE_VELOCITY = 0.10
CLOSE_STEPS = 120
EMPTY_SHARE = 0.1
"""At or below this share of its opening, a hand counts as closed and empty (8 mm of a Panda's)."""
DOWN = np.array([0.0, 0.0, -1.0])


@dataclass(frozen=True)
class TrialOutcome:
    """Result of one trial.

    Attributes:
        success: whether an object was lifted.
        width: opening after the trial in metres; all of it if the fingers never closed.
        fate: how it ended.
        body: id of the lifted body, None without success.
        touched: bodies in contact during the approach (evaluation mode goes on after them).
    """

    success: bool
    width: float
    fate: Fate
    body: int | None = None
    touched: frozenset[int] = frozenset()


def empty_width(hand: Hand) -> float:
    """The opening in metres at or below which a hand holds nothing."""
    return EMPTY_SHARE * hand.opening


def increments(distance: float) -> tuple[int, int]:
    """(count, simulation steps per increment) of a straight move over `distance` metres."""
    # The slack keeps 0.05 / 0.002 at 25, whichever way the last bit of a pose was rounded.
    count = max(1, int(distance / MOVE_INCREMENT + 1e-6))
    return count, max(1, int(distance / count / MOVE_VELOCITY / TIME_STEP + 1e-6))


def retreat_offset(T_world_tcp: np.ndarray) -> np.ndarray:
    """(3,) displacement of the retreat: back along the approach, or up if that is too flat."""
    return RETREAT_DISTANCE * retreat_direction(T_world_tcp[:3, 2], -DOWN)


def pregrasp(T_world_tcp: np.ndarray, distance: float = APPROACH_DISTANCE) -> np.ndarray:
    """(4, 4) pose `distance` metres back along the approach."""
    T = np.array(T_world_tcp, dtype=float)
    T[:3, 3] -= distance * T[:3, 2]
    return T


def move(
    world: Simulator, gripper: FreeHand, T_target: np.ndarray, stop_on_contact: bool
) -> tuple[int, set[int]]:
    """Drive straight to the target from the present position.

    Returns:
        The number of increments made, and the bodies touched. Contacts are looked at once per
        increment, as published, so that a brief touch between two looks goes unseen; what the hand
        stands in at the start counts as touched.
    """
    start = gripper.tcp_position()
    delta = T_target[:3, 3] - start
    count, steps = increments(float(np.linalg.norm(delta)))
    T, touched = np.array(T_target, dtype=float), gripper.stands_in()
    for i in range(1, count + 1):
        T[:3, 3] = start + delta * (i / count)
        gripper.drive_to(T)
        world.step(steps)
        touched |= gripper.contacts()
        if touched and stop_on_contact:
            return i, touched
    return count, touched


def lifted_body(gripper: FreeHand, world: Simulator) -> int | None:
    """The object the gripper holds: held by most links, then by the largest normal force."""
    forces = {b: f for b, f in gripper.contact_forces().items() if b in world.bodies}
    if not forces:
        return None
    return max(forces, key=lambda body: (len(forces[body]), sum(forces[body].values())))


def execute_grasp(
    world: Simulator,
    gripper: FreeHand,
    T_world_tcp: np.ndarray,
    *,
    allow_contact: bool = False,
    remove_object: bool = False,
) -> TrialOutcome:
    """Execute one grasp in the world as it stands.

    The gripper is loaded at the pre-grasp pose if it is not in the world yet (and unloaded at the
    end), else teleported there. The world is left as the trial leaves it.

    Args:
        T_world_tcp: (4, 4) pose of the TCP (finger tips), or anything with `T_world_grasp`.
        allow_contact: carry on after a contact in the approach (evaluation); else it is a failure.
        remove_object: take the lifted object out of the world on success.

    Raises:
        ValueError: if the pose is not a finite (4, 4) matrix.

    Source: the VGN and GIGA simulators (Breyer et al. 2020; Jiang et al. 2021).
    """
    T = np.asarray(getattr(T_world_tcp, "T_world_grasp", T_world_tcp), dtype=float)
    if T.shape != (4, 4) or not np.isfinite(T).all():
        raise ValueError(f"the grasp pose has shape {T.shape}; give a finite (4, 4) matrix")
    fresh = gripper.body is None
    if fresh:
        gripper.load(pregrasp(T))
    else:
        gripper.teleport(pregrasp(T))
    outcome = _run(world, gripper, T, allow_contact)
    if fresh:
        gripper.unload()
    if remove_object and outcome.body is not None:
        world.remove(outcome.body)
    return outcome


def _run(world: Simulator, gripper: FreeHand, T: np.ndarray, allow_contact: bool) -> TrialOutcome:
    made, touched = move(world, gripper, T, stop_on_contact=not allow_contact)
    if touched and not allow_contact:
        fate = Fate.COLLISION_START if made == 1 else Fate.COLLISION_APPROACH
        return TrialOutcome(False, gripper.hand.opening, fate, touched=frozenset(touched))
    gripper.close()
    world.step(CLOSE_STEPS)
    limit = empty_width(gripper.hand)
    empty = gripper.width <= limit or not gripper.contacts()
    T_retreat = T.copy()
    T_retreat[:3, 3] += retreat_offset(T)
    move(world, gripper, T_retreat, stop_on_contact=False)
    body, width = lifted_body(gripper, world), gripper.width
    if body is not None and width > limit:
        return TrialOutcome(True, width, Fate.SUCCESS, body, frozenset(touched))
    fate = failure_fate(empty, touched)
    return TrialOutcome(False, width, fate, touched=frozenset(touched))


def failure_fate(empty: bool, touched: set[int]) -> Fate:
    """Why an executed grasp failed: nothing between the fingers (a contact on the way explains it
    better than the emptiness itself), or lost."""
    if not empty:
        return Fate.SLIPPED
    return Fate.COLLISION_APPROACH if touched else Fate.EMPTY_CLOSE
