"""Ceiling: a planner that knows the true meshes and tries its grasps in the simulator first."""

from __future__ import annotations

import time
from importlib import import_module

import numpy as np

from equigrasp.constants import YAW_STEP
from equigrasp.grasp import Grasp
from equigrasp.planner import PlanResult
from sim.clutter.rounds import Observation

CANDIDATES = 100
TRIES = 3


class OraclePlanner:
    """Proposes grasps on the true surface and keeps those the labeller confirms.

    Ranked by the number of yaws that succeed at the same point: the more, the less a small
    difference between trial and execution matters.
    """

    def plan(self, seen: Observation) -> PlanResult:
        """Confirmed grasps, best first; empty if none of `TRIES * CANDIDATES` points succeeds."""
        # The labeller lives a floor up, beside the data generator; it is loaded by name.
        propose = import_module("data_gen.propose").propose
        label = import_module("data_gen.label").label_fast
        begin = time.perf_counter()
        grasps: list[Grasp] = []
        for _ in range(TRIES):
            candidates = propose(seen.geometry, seen.rng, CANDIDATES)
            if not len(candidates):
                break
            labels = label(seen.world, seen.geometry, candidates, seen.rng, 0.0)
            grasps = _confirmed(candidates, labels)
            if grasps:
                break
        seconds = {"total": time.perf_counter() - begin}
        empty = np.zeros((0, 0, 0), np.float32)
        return PlanResult(grasps, "ok" if grasps else "no_grasp", seconds, empty)


def _confirmed(candidates: object, labels: object) -> list[Grasp]:
    good = labels.yaw_success
    share = good.sum(1) / good.shape[1]
    found = []
    for point, yaw in np.argwhere(good):
        angle = yaw * YAW_STEP
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        rotation = candidates.rotation[point] @ turn
        width = float(labels.yaw_width[point, yaw])
        found.append(Grasp(candidates.position[point], rotation, width, float(share[point])))
    return sorted(found, key=lambda grasp: -grasp.score)
