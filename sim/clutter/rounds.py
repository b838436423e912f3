"""One round: clear a scene grasp by grasp. Runs in worker processes.

A round ends when the table is empty, when nothing is in view, when the planner offers no grasp, or
after two failures in a row. The hand may touch things on its way (unlike in labelling); a lifted
object is removed, and what leaves the workspace is removed without counting as cleared.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from equigrasp.constants import TABLE_HEIGHT
from equigrasp.grasp import Grasp
from equigrasp.perception.camera import (
    DEFAULT_INTRINSICS,
    depth_to_points,
    fixed_view,
    random_view,
)
from equigrasp.perception.noise import apply_noise
from sim.clutter.protocol import (
    MAX_CONSECUTIVE_FAILURES,
    NOISE_STREAM,
    PLANNER_STREAM,
    VIEW_STREAM,
    EvalSettings,
)
from sim.clutter.scene_lists import round_generator
from sim.clutter.scene_view import SceneView

if TYPE_CHECKING:
    from sim.grasping.gripper import Gripper
    from sim.grasping.trial import TrialOutcome
    from sim.scene.builders import Scene
    from sim.scene.world import World

MIN_VISIBLE_POINTS = 50
"""Fewer readings on objects than this count as an empty view."""


def run_round(settings: dict[str, Any], scene: str, seed: int, index: int) -> dict[str, Any]:
    """Clear one scene; return a JSON-able record of every attempt.

    Args:
        settings: `EvalSettings.to_dict()`.
        scene: the scene as JSON.
        seed, index: seed and number of the round.
    """
    from sim.clutter.planners import make_planner
    from sim.scene.builders import Scene, load_scene
    from sim.scene.world import World

    options = EvalSettings(**settings)
    planner = make_planner(json.dumps(settings, sort_keys=True))
    specs = _specs(options.objects, options.scene)
    start = Scene.from_json(scene)
    begin = time.perf_counter()
    with World() as world:
        _set_table(world)
        load_scene(world, start, specs)
        record = clear_scene(world, start, specs, planner, options, seed, index)
    return {**record, "seed": seed, "round": index, "seconds": time.perf_counter() - begin}


def clear_scene(
    world: World,
    scene: Scene,
    specs: Any,
    planner: Any,
    options: EvalSettings,
    seed: int,
    index: int,
) -> dict[str, Any]:
    """The loop of `run_round` on a world that holds the scene."""
    from sim.grasping.gripper import Gripper

    gripper = Gripper(world)
    present = len(world.bodies)
    attempts: list[dict[str, Any]] = []
    lost: list[str] = []
    failures, end = 0, "cleared"
    while world.bodies:
        if failures == MAX_CONSECUTIVE_FAILURES:
            end = "failures"
            break
        seen = observe(world, scene, specs, options, (seed, index, len(attempts)))
        if not objects_in_view(seen):
            end = "empty_view"
            break
        plan = planner.plan(seen)
        if not plan.grasps:
            end = "no_grasp"
            attempts_made = {"plan_reason": plan.reason, "timings": plan.timings}
            break
        grasp = plan.grasps[0]
        names = {body: entry.object_id for body, entry in world.bodies.items()}
        outcome, gone = attempt_grasp(world, gripper, grasp)
        lost += [names[body] for body in gone]
        failures = 0 if outcome.success else failures + 1
        attempts.append(
            {
                "success": bool(outcome.success),
                "fate": outcome.fate.name,
                "object": names.get(outcome.body),
                "score": float(grasp.score),
                "width": float(grasp.width),
                "pose": np.asarray(grasp.T_world_grasp).tolist(),
                "timings": {k: round(v, 5) for k, v in plan.timings.items()},
                "lost": len(gone),
            }
        )
    record: dict[str, Any] = {
        "objects": present,
        "object_ids": [body.object_id for body in scene.bodies],
        "attempts": attempts,
        "lost": lost,
        "left": len(world.bodies),
        "end": end,
    }
    if end == "no_grasp":
        record["without_grasp"] = attempts_made
    return record


def attempt_grasp(world: World, gripper: Gripper, grasp: Grasp) -> tuple[TrialOutcome, list[int]]:
    """Execute a grasp, take away what was lifted, let the rest settle.

    Returns:
        the outcome and the bodies that left the workspace.
    """
    from sim.grasping.trial import execute_grasp

    outcome = execute_grasp(world, gripper, grasp, allow_contact=True, remove_object=True)
    _, gone = world.settle()
    return outcome, gone


def recorded_grasp(attempt: dict[str, Any]) -> Grasp:
    """The grasp of a recorded attempt."""
    pose = np.asarray(attempt["pose"])
    return Grasp(pose[:3, 3], pose[:3, :3], attempt["width"], attempt["score"])


def observe(
    world: World, scene: Scene, specs: Any, options: EvalSettings, key: tuple[int, int, int]
) -> SceneView:
    """Render the scene as it stands; view and noise depend on (seed, round, attempt) alone."""
    from sim.scene.builders import record_bodies
    from sim.scene.renderer import scene_geometry

    present = replace(scene, bodies=tuple(record_bodies(world)))
    geometry = scene_geometry(present, specs, world.workspace)
    seed, index, attempt = key
    if options.view == "fixed":
        pose = fixed_view()
    else:
        pose = random_view(round_generator(seed, index, VIEW_STREAM, attempt))
    clean = geometry.render(DEFAULT_INTRINSICS, pose)
    depth = apply_noise(clean, options.noise, round_generator(seed, index, NOISE_STREAM, attempt))
    rng = round_generator(seed, index, PLANNER_STREAM, attempt)
    return SceneView(depth, clean, DEFAULT_INTRINSICS, pose, geometry, world, rng)


def objects_in_view(seen: SceneView) -> bool:
    """Whether any object is seen at all, judged on the noise-free depth."""
    points = depth_to_points(seen.clean_depth, seen.intrinsics, seen.T_world_camera, max_depth=1.9)
    return int((points[:, 2] > TABLE_HEIGHT + 0.002).sum()) >= MIN_VISIBLE_POINTS


def _set_table(world: World) -> None:
    if world.table is None:
        world.load_table()


@lru_cache(maxsize=4)
def _specs(objects: str, kind: str) -> Any:
    from sim.objects.load import load_objects

    return load_objects(objects, kind, "all", report=[])
