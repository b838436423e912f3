"""Ceiling: a planner that knows the true meshes and tries its grasps in the simulator first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

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
TRIES = 3


class OraclePlanner(ClutterPlanner):
    """Proposes grasps on the true surface and keeps those the labeller confirms.

    Ranked by the number of yaws that succeed at the same point: the more, the less a small
    difference between trial and execution matters.

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
        """Confirmed grasps, best first; empty if none of `TRIES * CANDIDATES` points succeeds."""
        from sim.grasping.label import label_fast
        from sim.grasping.propose import propose

        begin = time.perf_counter()
        grasps: list[Grasp] = []
        for _ in range(TRIES):
            candidates = propose(seen.geometry, seen.rng, CANDIDATES, hand=self.hand)
            if not len(candidates):
                break
            labels = label_fast(
                seen.world, seen.geometry, candidates, seen.rng, 0.0, hand=self.hand
            )
            grasps = _confirmed(candidates, labels)
            if grasps:
                break
        seconds = {"total": time.perf_counter() - begin}
        empty = np.zeros((0, 0, 0), np.float32)
        reason = "ok" if grasps else "no_grasp"
        return PlanResult(
            grasps, reason, seconds, empty, hand=self.hand, workspace=seen.world.workspace
        )


def _confirmed(candidates: Candidates, labels: Labels) -> list[Grasp]:
    good = labels.yaw_success
    share = good.sum(1) / good.shape[1]
    found = []
    for point, yaw in np.argwhere(good):
        rotation = candidates.rotation[point] @ yaw_turns(good.shape[1])[yaw]
        width = float(labels.yaw_width[point, yaw])
        found.append(Grasp(candidates.position[point], rotation, width, float(share[point])))
    return sorted(found, key=lambda grasp: -grasp.score)
