"""Planners under test behind one interface: `plan(observation) -> PlanResult`."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Protocol

from sim.clutter.protocol import EvalSettings
from sim.clutter.scene_view import SceneView


class ClutterPlanner(Protocol):
    """Anything that answers an observation with `.grasps` (ranked), `.reason` and `.timings`."""

    def plan(self, seen: SceneView) -> Any:
        """Ranked grasps in the workspace frame."""


class ModelPlanner:
    """A `GraspPlanner` fed with the noisy depth alone."""

    def __init__(self, settings: EvalSettings) -> None:
        from equigrasp.detection import DetectionConfig
        from equigrasp.planner import GraspPlanner

        self.planner = GraspPlanner.from_pretrained(
            settings.model,
            detection=DetectionConfig(**settings.detection),
            rectify_table=settings.table_rectify,
        )

    def plan(self, seen: SceneView) -> Any:
        """Ranked grasps of the network."""
        return self.planner.plan(seen.depth, seen.intrinsics, seen.T_world_camera)


@lru_cache(maxsize=2)
def make_planner(settings: str) -> ClutterPlanner:
    """The planner that `EvalSettings` (as JSON) names; kept for the next round."""
    options = EvalSettings(**json.loads(settings))
    if options.model == "antipodal":
        from sim.clutter.antipodal import AntipodalPlanner

        return AntipodalPlanner(rectify=options.table_rectify)
    if options.model == "oracle":
        from sim.clutter.oracle import OraclePlanner

        return OraclePlanner()
    return ModelPlanner(options)
