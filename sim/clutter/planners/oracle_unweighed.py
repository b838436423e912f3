"""Ceiling of what can be seen: an oracle that knows every shape and pose, but no weight."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from equigrasp.grasp import Grasp
from equigrasp.plan_result import PlanResult
from sim.clutter.attempts import Rehearsal
from sim.clutter.planners.oracle import CANDIDATES, TRIES, OraclePlanner, confirmed, refused
from sim.clutter.scene_view import SceneView
from sim.objects import limit
from sim.objects.sets import limit_set
from sim.scene.choice import open_world
from sim.scene.physics import Physics

if TYPE_CHECKING:
    from sim.scene.builders import Body

GUESSES = 8
"""Draws of all masses in which a grasp is rehearsed."""
REHEARSED = 12
"""Grasps rehearsed of those that the labeller confirms in one try, and half of them of the rest."""
LEAST_SCORE = 0.5
"""Share of the draws in which a grasp has to hold, to be worth an attempt."""
DRAWN = {limit_set.SOURCE: Physics(mass=limit.MASSES)}
"""Masses by the set of an object, as the set itself draws them, whatever the shape."""
GUESSED = Physics(mass_factor=(0.5, 2.0))
"""Masses of all other objects: from half to twice the true one."""


class UnweighedOracle(OraclePlanner):
    """The `oracle` without knowledge of masses: it rehearses in worlds of which it draws them.

    It knows shapes, poses and frictions, labels and rehearses as the oracle does, and takes the
    grasp that holds in most draws; that share is its score. It rehearses few grasps and leaves what
    holds in under half of the draws, so a better planner without weights may exist. Masses of the
    set `limit` are drawn as the set draws them. Those of other objects are drawn around the true
    ones, of which no image tells as much: there it flatters.

    Args:
        hand: the hand that will close.
    """

    name = "oracle_unweighed"

    def plan(self, seen: SceneView) -> PlanResult:
        """The grasp that holds in most draws; none if all that were rehearsed hold in too few."""
        from sim.grasping.label import label_fast
        from sim.grasping.propose import propose

        begin = time.perf_counter()
        guesses = [guessed(seen.rehearse, seen.rng) for _ in range(GUESSES)]
        best: list[Grasp] = []
        with open_world(seen.rehearse.simulator) as world:
            for _ in range(TRIES):
                candidates = propose(seen.geometry, seen.rng, CANDIDATES, hand=self.hand)
                if not len(candidates):
                    break
                guesses[0].standing.build(world, guesses[0].objects)
                labels = label_fast(world, seen.geometry, candidates, seen.rng, 0.0, hand=self.hand)
                queue = confirmed(candidates, labels)[:REHEARSED]
                queue += refused(candidates, labels)[: REHEARSED // 2]
                best = most_certain(guesses, queue)
                if best:
                    break
        return self.answer(seen, best, time.perf_counter() - begin)


def guessed(known: Rehearsal, random: np.random.Generator) -> Rehearsal:
    """Rehearsals in a world where everything stands as it does, but weighs what is drawn."""
    specs = {spec.object_id: spec for spec in known.objects}

    def weighed(body: Body) -> Body:
        spec = specs[body.object_id]
        drawn, _ = DRAWN.get(spec.source, GUESSED).draw(spec, random)
        if body.mass is not None and spec.source not in DRAWN:
            drawn *= body.mass / spec.mass
        return replace(body, mass=drawn)

    scene = known.standing.scene
    scene = replace(scene, bodies=tuple(weighed(body) for body in scene.bodies))
    return replace(known, standing=replace(known.standing, scene=scene))


def most_certain(guesses: Sequence[Rehearsal], queue: Sequence[Grasp]) -> list[Grasp]:
    """The first of the grasps that hold in most draws; none if that is under `LEAST_SCORE`.

    Args:
        guesses: a rehearsal for each draw.
        queue: grasps, the most promising first.

    Returns:
        one grasp whose score is the share of the draws in which it holds, or none.
    """
    best: list[Grasp] = []
    most = int(np.ceil(LEAST_SCORE * len(guesses))) - 1
    for grasp in queue:
        held = 0
        for done, rehearse in enumerate(guesses):
            if held + len(guesses) - done <= most:
                break  # it cannot be better than the best
            held += rehearse(grasp).success
        if held > most:
            best, most = [replace(grasp, score=held / len(guesses))], held
        if most == len(guesses):
            break
    return best
