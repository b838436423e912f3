"""What becomes of planned grasps, good and poor ones: the attempts that scores are calibrated on.

A round tells the outcome of the best grasp of each plan alone. Here some of the others are
rehearsed too, in copies of the world, before the best one is executed and the round goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from equigrasp.calibration import Calibration, circumstances
from equigrasp.grasp import Grasp
from equigrasp.hand import Hand
from equigrasp.plan_result import PlanResult
from sim.clutter.planners.model import ModelPlanner
from sim.clutter.protocol import EvalSettings
from sim.clutter.rounds import Round, clear_scene
from sim.clutter.scene_view import SceneView


def tried_grasps(
    settings: dict[str, Any], scene: str, seed: int, index: int, hand: dict[str, Any], tries: int
) -> dict[str, Any]:
    """Clear one scene and try `tries` grasps of every plan. Runs in worker processes.

    Args:
        settings: `EvalSettings.to_dict()`; the model is planned with as if it had no calibration.
        scene: the scene as JSON.
        seed, index: seed and number of the round.
        hand: that of the settings, with the folders of its files.
        tries: grasps of each plan, see `spread`.

    Returns:
        JSON-able: "seed" and "round" as they were given; of each grasp, under "tried", score,
        circumstances ("about"), success and rank, rank 0 being the grasp that the round executes.
    """
    from sim.scene.builders import Scene

    options, grasping = EvalSettings(**settings), Hand.of(hand)
    planner = _uncalibrated(
        options.model, tuple(sorted(options.detection.items())), options.table_rectify
    )
    played = Round(options, Scene.from_json(scene), seed, index, grasping)
    tried: list[dict[str, Any]] = []

    def try_some(seen: SceneView, plan: PlanResult) -> None:
        table = seen.world.workspace.table_height
        for rank in spread(plan.grasps, tries):
            grasp = plan.grasps[rank]
            about = circumstances(
                grasp.position, grasp.rotation, grasp.width, grasping.opening, table
            )
            told = {"score": float(grasp.score), "about": about.tolist(), "rank": rank}
            tried.append({**told, "success": seen.rehearse(grasp).success})

    with played.laid_out() as world:
        clear_scene(world, played, planner, try_some)
    return {"seed": seed, "round": index, "tried": tried}


def spread(grasps: Sequence[Grasp], count: int) -> list[int]:
    """Ranks of at most `count` grasps of a list, evenly spread from the best to the last."""
    last = len(grasps) - 1
    return sorted({int(rank) for rank in np.linspace(0, last, min(count, last + 1)).round()})


@lru_cache(maxsize=2)
def _uncalibrated(
    model: str, detection: tuple[tuple[str, Any], ...], rectify: bool
) -> ModelPlanner:
    planner = ModelPlanner(model, dict(detection), rectify)
    planner.planner.model.calibration = Calibration()
    return planner
