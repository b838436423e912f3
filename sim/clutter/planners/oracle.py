"""Ceiling: a planner that knows the true meshes and tries its grasps in the simulator first."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from equigrasp.data.vocabulary import Source
from equigrasp.geometry.transforms import yaw_turns
from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA, Hand
from equigrasp.plan_result import PlanResult
from sim.clutter.planner import ClutterPlanner
from sim.clutter.protocol import EvalSettings
from sim.clutter.scene_view import SceneView

if TYPE_CHECKING:
    from sim.grasping.label import Labels
    from sim.grasping.propose import Candidates

CANDIDATES = 100
"""Points proposed at a time."""
TRIES = 3
"""Times that points are proposed before giving up."""
REHEARSALS = 25
"""Grasps rehearsed of those that the labeller confirms in one try, and half of them of the rest."""


class OraclePlanner(ClutterPlanner):
    """Proposes grasps on the true surface and rehearses them until one lifts something.

    The labeller of training data sorts them: first those that it confirms, ranked by the number of
    yaws that succeed at the same point, then contact pairs that it refuses, for a round allows
    contacts on the way. A rehearsal is the attempt that the round will make, so that a grasp that
    is returned fails for no reason, and its score is 1. One that pushes other objects out of the
    workspace is a last resort.

    Args:
        hand: the hand that will close.
    """

    name = "oracle"
    reads_depth = False

    def __init__(self, hand: Hand = PANDA) -> None:
        self.hand = hand

    @classmethod
    def from_settings(cls, settings: EvalSettings, hand: Hand) -> OraclePlanner:
        """For the hand of the evaluation; it has no other settings."""
        return cls(hand)

    def plan(self, seen: SceneView) -> PlanResult:
        """One grasp that holds; none if all that were rehearsed fail."""
        from sim.grasping.label import label_fast
        from sim.grasping.propose import propose

        begin = time.perf_counter()
        best: list[Grasp] = []
        for _ in range(TRIES):
            candidates = propose(seen.geometry, seen.rng, CANDIDATES, hand=self.hand)
            if not len(candidates):
                break
            labels = label_fast(
                seen.world, seen.geometry, candidates, seen.rng, 0.0, hand=self.hand
            )
            queue = confirmed(candidates, labels)[:REHEARSALS]
            queue += refused(candidates, labels)[: REHEARSALS // 2]
            best = _first_to_hold(seen, queue)
            if best:
                break
        return self.answer(seen, best, time.perf_counter() - begin)

    def answer(self, seen: SceneView, best: list[Grasp], seconds: float) -> PlanResult:
        """The plan of these grasps, or of none, that took so long."""
        empty = np.zeros((0, 0, 0), np.float32)
        reason = "ok" if best else "no_grasp"
        return PlanResult(
            best, reason, {"total": seconds}, empty, hand=self.hand, workspace=seen.world.workspace
        )


def _first_to_hold(seen: SceneView, queue: Sequence[Grasp]) -> list[Grasp]:
    """The first grasp that lifts an object and pushes none out, else the first that lifts one."""
    spare: list[Grasp] = []
    for grasp in queue:
        attempt = seen.rehearse(grasp)
        known = replace(grasp, score=1.0)
        if attempt.success and not attempt.lost:
            return [known]
        if attempt.success and not spare:
            spare = [known]
    return spare


def confirmed(candidates: Candidates, labels: Labels) -> list[Grasp]:
    """Grasps that the labeller calls good, best first, and every point once before any again."""
    good = labels.yaw_success
    share = good.mean(1)
    turn = good.cumsum(1)
    order = sorted(np.argwhere(good).tolist(), key=lambda at: (turn[tuple(at)], -share[at[0]]))
    return [_grasp(candidates, labels, *at, float(share[at[0]])) for at in order]


def refused(candidates: Candidates, labels: Labels) -> list[Grasp]:
    """Contact pairs at whose points the labeller lets no yaw succeed."""
    pairs = (candidates.source == Source.ANTIPODAL) & ~labels.point_success
    return [_grasp(candidates, labels, point, 0, 0.0) for point in np.flatnonzero(pairs)]


def _grasp(candidates: Candidates, labels: Labels, point: int, yaw: int, score: float) -> Grasp:
    rotation = candidates.rotation[point] @ yaw_turns(labels.yaw_success.shape[1])[yaw]
    return Grasp(candidates.position[point], rotation, float(labels.yaw_width[point, yaw]), score)
