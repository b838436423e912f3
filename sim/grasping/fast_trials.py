"""Many quick trials in one scene, all from the same moment: geometry first, then a short trial."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from equigrasp.data.vocabulary import Fate
from equigrasp.hand import Hand
from sim.grasping.fast_trial import approach_steps, audit_trial, short_trial
from sim.grasping.free_hand import FreeHand
from sim.grasping.hands import free_hand
from sim.grasping.margin import holds_heavier
from sim.grasping.sweep import ContactSweep, ray_collision, region_empty, table_clearance
from sim.grasping.trial import TrialOutcome
from sim.scene.simulator import Simulator, State

if TYPE_CHECKING:
    from sim.scene.renderer import SceneGeometry

SOLVER_ITERATIONS = 50


@dataclass(frozen=True)
class FastTrials:
    """A world that is ready for trials; see `fast_trials`.

    Attributes:
        world: holds the scene and the hand.
        geometry: the same scene's meshes.
        gripper: the hand.
        begin: the scene as found, gripper loaded.
        approached: the scene after the duration of an approach.
    """

    world: Simulator
    geometry: SceneGeometry
    gripper: FreeHand
    begin: State
    approached: State

    def screen(self, poses: np.ndarray) -> np.ndarray:
        """(n,) fates of TCP poses (n, 4, 4) that geometry alone decides; SUCCESS where a trial has
        to."""
        fate = np.full(len(poses), Fate.STATIC_COLLISION, np.uint8)
        world, geometry, hand = self.world, self.geometry, self.gripper.hand
        sweep = ContactSweep(world, self.gripper)
        height, margin = world.workspace.table_height, world.contact_margin
        above = table_clearance(poses, hand, height, margin) > sweep.table_limits
        alive = np.flatnonzero(above.all(axis=1))
        alive = alive[~ray_collision(geometry, poses[alive], hand, margin)]
        alive = alive[[not sweep.collides(pose) for pose in poses[alive]]]
        empty = region_empty(geometry, poses[alive], hand)
        fate[alive] = np.where(empty, Fate.EMPTY_REGION, Fate.SUCCESS)
        return fate

    def try_free(self, pose: np.ndarray) -> TrialOutcome:
        """A trial of a pose (4, 4) that the screen leaves open."""
        return short_trial(self.world, self.gripper, self.approached, pose)

    def try_all(self, pose: np.ndarray) -> TrialOutcome:
        """A trial of a pose (4, 4), approach included."""
        return audit_trial(self.world, self.gripper, self.begin, pose)

    def holds_heavier(self, pose: np.ndarray, body: int) -> bool:
        """See `sim.grasping.margin`."""
        return holds_heavier(self.world, self.gripper, self.approached, pose, body)


@contextmanager
def fast_trials(world: Simulator, geometry: SceneGeometry, hand: Hand) -> Iterator[FastTrials]:
    """A world made ready for quick trials, left as it was found.

    Args:
        world: holds the scene.
        geometry: the same scene's meshes.
        hand: what grasps.
    """
    found = world.save()
    world.restore(found)
    gripper = free_hand(world, hand)
    gripper.load(gripper.parked)
    begin = world.save()
    world.step(approach_steps())
    approached = world.save()
    iterations = world.solver_iterations
    world.set_solver_iterations(SOLVER_ITERATIONS)
    try:
        yield FastTrials(world, geometry, gripper, begin, approached)
    finally:
        world.set_solver_iterations(iterations)
        gripper.unload()
        world.restore(found)
        for state in (found, begin, approached):
            world.forget(state)
