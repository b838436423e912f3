"""An attempt at a grasp, and its rehearsal: the same procedure in a copy of the world.

What becomes of a grasp in Bullet depends on more than where the bodies are: on contacts that a
restored snapshot lacks, and on the order in which contact pairs came to be, which remembers every
trial before. From one snapshot, the same grasp ended bit for bit the same in none to six of ten
trials. A world that is built afresh has one future. So every attempt begins by building it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from equigrasp.grasp import Grasp
from equigrasp.hand import Hand
from sim.scene.choice import PUBLISHED_SIMULATOR, open_world

if TYPE_CHECKING:
    from sim.grasping.free_hand import FreeHand
    from sim.grasping.trial import TrialOutcome
    from sim.objects.spec import ObjectSpec
    from sim.scene.builders import Scene
    from sim.scene.simulator import Simulator, Velocity


@dataclass(frozen=True)
class Standing:
    """How a world stands between two attempts: all that an attempt depends on.

    Attributes:
        scene: the objects, where they are now.
        velocities: of every object; those that roll go on rolling.
    """

    scene: Scene
    velocities: tuple[Velocity, ...]

    @classmethod
    def of(cls, world: Simulator, scene: Scene) -> Standing:
        """Read it from a world that held `scene` at first."""
        from sim.scene.builders import record_bodies

        now = replace(scene, bodies=tuple(record_bodies(world)))
        return cls(now, tuple(world.velocity(body) for body in world.bodies))

    def build(self, world: Simulator, objects: Sequence[ObjectSpec]) -> None:
        """Empty a world and build this in it; whatever the world did before leaves no trace."""
        from sim.scene.builders import load_scene

        world.reset()
        ids = load_scene(world, self.scene, objects)
        for body, velocity in zip(ids, self.velocities, strict=True):
            world.set_velocity(body, velocity)


@dataclass(frozen=True)
class Attempt:
    """What became of a grasp.

    Attributes:
        outcome: of the trial.
        lifted: id of the object that was lifted and taken away, None without success.
        lost: ids of the objects that left the workspace.
    """

    outcome: TrialOutcome
    lifted: str | None
    lost: tuple[str, ...]

    @property
    def success(self) -> bool:
        """Whether an object was lifted."""
        return bool(self.outcome.success)


def attempt_grasp(
    world: Simulator,
    standing: Standing,
    objects: Sequence[ObjectSpec],
    hand: Hand,
    grasp: Grasp,
    trial: str = "lift",
) -> Attempt:
    """Build a world, execute a grasp, take away what was lifted, let the rest settle.

    Equal arguments give equal attempts, bit for bit, whatever `world` was used for before.

    Args:
        world: emptied first; left as the attempt leaves it.
        standing: what it then holds.
        objects: every object that `standing` may name.
        hand: what grasps.
        grasp: where; contacts on the way are allowed.
        trial: "lift", or "lift_and_shake": what is lifted is then shaken, see `sim.clutter.shake`.
    """
    from sim.grasping.hands import free_hand

    standing.build(world, objects)
    names = {body: known.object_id for body, known in world.bodies.items()}
    outcome = _execute(world, free_hand(world, hand), grasp, trial)
    if outcome.body is not None:
        world.remove(outcome.body)
    _, gone = world.settle()
    lifted = None if outcome.body is None else names[outcome.body]
    return Attempt(outcome, lifted, tuple(names[body] for body in gone))


def _execute(world: Simulator, gripper: FreeHand, grasp: Grasp, trial: str) -> TrialOutcome:
    """The trial; the lifted object is left where the hand let go of it, and the hand is gone."""
    from equigrasp.data.vocabulary import Fate
    from sim.clutter.shake import holds_when_shaken
    from sim.grasping.trial import execute_grasp, pregrasp, retreat_offset

    T = np.asarray(grasp.T_world_grasp)
    gripper.load(pregrasp(T))
    outcome = execute_grasp(world, gripper, T, allow_contact=True)
    if outcome.success and trial == "lift_and_shake":
        T_lifted = T.copy()
        T_lifted[:3, 3] += retreat_offset(T)
        if not holds_when_shaken(world, gripper, T_lifted, outcome.body):
            lost = {"success": False, "fate": Fate.SLIPPED, "body": None}
            outcome = replace(outcome, width=gripper.width, **lost)
    gripper.unload()
    return outcome


@dataclass(frozen=True)
class Rehearsal:
    """Tries grasps in copies of a world; called with a grasp, it tells what becomes of it.

    Attributes:
        standing, objects, hand, trial: see `attempt_grasp`, which the copies go through.
        simulator: of the copies.
    """

    standing: Standing
    objects: Sequence[ObjectSpec]
    hand: Hand
    trial: str = "lift"
    simulator: str = PUBLISHED_SIMULATOR

    def __call__(self, grasp: Grasp) -> Attempt:
        """The attempt that a round would make from here, bit for bit."""
        with open_world(self.simulator) as copy:
            return self.perform(copy, grasp)

    def perform(self, world: Simulator, grasp: Grasp) -> Attempt:
        """The attempt itself, in a world that is emptied first."""
        return attempt_grasp(world, self.standing, self.objects, self.hand, grasp, self.trial)
