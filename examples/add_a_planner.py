"""A planner of one's own, and a round of clutter cleared with it.

    python examples/add_a_planner.py

In a file of `sim/clutter/planners` it is found by its name: `sim/clutter_eval.py --model top_down`.
Its test is one line, see `sim/testing/planner_contract.py`.
"""

from __future__ import annotations

import numpy as np

from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA, Hand
from equigrasp.perception.camera import depth_to_points
from equigrasp.plan_result import PlanResult
from sim.clutter.planner import ClutterPlanner
from sim.clutter.protocol import EvalSettings
from sim.clutter.rounds import Round, clear_scene
from sim.clutter.scene_lists import build_round
from sim.clutter.scene_view import SceneView


class TopDownPlanner(ClutterPlanner):
    """Reaches straight down at the highest point that it sees."""

    name = "top_down"

    def __init__(self, hand: Hand = PANDA) -> None:
        self.hand = hand

    @classmethod
    def from_settings(cls, settings: EvalSettings, hand: Hand) -> TopDownPlanner:
        """For the hand of the evaluation."""
        return cls(hand)

    def plan(self, seen: SceneView) -> PlanResult:
        """One grasp, or none on an empty table."""
        workspace, tsdf = seen.world.workspace, np.zeros((0, 0, 0), np.float32)
        points = depth_to_points(seen.depth, seen.intrinsics, seen.T_world_camera)
        inside = ((points > 0) & (points < workspace.side)).all(1)
        points = points[inside & (points[:, 2] > workspace.table_height + 0.01)]
        if not len(points):
            return PlanResult([], "no_grasp", {"total": 0.0}, tsdf, hand=self.hand)
        top = points[points[:, 2] > points[:, 2].max() - 0.01]
        tip = [*top.mean(0)[:2], max(top[:, 2].max() - 0.03, workspace.table_height + 0.005)]
        grasp = Grasp(np.array(tip), np.diag([1.0, -1.0, -1.0]), self.hand.opening, 1.0)
        return PlanResult([grasp], "ok", {"total": 0.0}, tsdf, hand=self.hand)


if __name__ == "__main__":
    from sim.scene.builders import Scene

    settings = EvalSettings(scene="packed", noise="none", objects="random_urdfs")
    scene = Scene.from_json(build_round("packed", settings.objects, "test", 5, 0, 0))
    played = Round(settings, scene, seed=0, index=0)
    with played.laid_out() as world:
        record = clear_scene(world, played, TopDownPlanner())
    print([attempt["fate"] for attempt in record["attempts"]])
