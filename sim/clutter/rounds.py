"""One round: clear a scene grasp by grasp. Runs in worker processes.

A round ends when the table is empty, when nothing is in view, when the planner offers no grasp, or
after two failures in a row. The hand may touch things on its way (unlike in labelling); a lifted
object is removed, and what leaves the workspace is removed without counting as cleared.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA, Hand
from equigrasp.perception.camera import (
    DEFAULT_INTRINSICS,
    depth_to_points,
    fixed_view,
    random_view,
)
from equigrasp.perception.noise import apply_noise
from equigrasp.plan_result import PlanResult
from sim.clutter.attempts import Attempt, Rehearsal, Standing, attempt_grasp
from sim.clutter.planner import ClutterPlanner
from sim.clutter.planners import make_planner
from sim.clutter.protocol import (
    MAX_CONSECUTIVE_FAILURES,
    NOISE_STREAM,
    PLANNER_STREAM,
    VIEW_STREAM,
    EvalSettings,
    round_generator,
)
from sim.clutter.scene_view import SceneView
from sim.scene.kinds import find_kind

if TYPE_CHECKING:
    from sim.objects.spec import ObjectSpec
    from sim.scene.builders import Scene
    from sim.scene.world import World

MIN_VISIBLE_POINTS = 50
"""Fewer readings on objects than this count as an empty view."""

Watcher = Callable[[SceneView, PlanResult], None]


@dataclass(frozen=True)
class Round:
    """What is settled before a round begins.

    Attributes:
        settings: of the evaluation.
        scene: where the objects are at first.
        seed, index: seed and number of the round.
        hand: the hand that grasps.
    """

    settings: EvalSettings
    scene: Scene
    seed: int
    index: int
    hand: Hand = PANDA

    @property
    def objects(self) -> Sequence[ObjectSpec]:
        """Every object that the scene may hold."""
        return _objects(self.settings.objects, self.settings.scene)

    def generator(self, stream: int, attempt: int) -> np.random.Generator:
        """Of one purpose in one attempt, whatever the planner did before."""
        return round_generator(self.seed, self.index, stream, attempt)

    @contextmanager
    def laid_out(self) -> Iterator[World]:
        """A simulated world that holds the scene."""
        from sim.scene.builders import load_scene
        from sim.scene.world import World

        with World() as world:
            load_scene(world, self.scene, self.objects)
            yield world


def run_round(
    settings: dict[str, Any], scene: str, seed: int, index: int, hand: dict[str, Any]
) -> dict[str, Any]:
    """Clear one scene; return a JSON-able record of every attempt.

    Args:
        settings: `EvalSettings.to_dict()`.
        scene: the scene as JSON.
        seed, index: seed and number of the round.
        hand: that of the settings, with the folders of its files.
    """
    from sim.scene.builders import Scene

    options, grasping = EvalSettings(**settings), Hand.of(hand)
    planner = make_planner(json.dumps(settings, sort_keys=True), grasping)
    played = Round(options, Scene.from_json(scene), seed, index, grasping)
    begin = time.perf_counter()
    with played.laid_out() as world:
        record = clear_scene(world, played, planner)
    return {**record, "seed": seed, "round": index, "seconds": time.perf_counter() - begin}


def clear_scene(
    world: World, played: Round, planner: ClutterPlanner, watch: Watcher | None = None
) -> dict[str, Any]:
    """The loop of `run_round` on a world that holds the scene.

    Args:
        world: changed by the grasps.
        played: the round.
        planner: asked before every attempt.
        watch: called with what the planner saw and answered, if that was a grasp.
    """
    record: dict[str, Any] = {
        "objects": len(world.bodies),
        "object_ids": [body.object_id for body in played.scene.bodies],
        "attempts": [],
        "lost": [],
    }
    attempts, failures, end = record["attempts"], 0, "cleared"
    while world.bodies:
        if failures == MAX_CONSECUTIVE_FAILURES:
            end = "failures"
            break
        standing = Standing.of(world, played.scene)
        seen = observe(world, played, len(attempts))
        if not objects_in_view(seen):
            end = "empty_view"
            break
        plan = planner.plan(seen)
        if not plan.grasps:
            end = "no_grasp"
            break
        if watch is not None:
            watch(seen, plan)
        attempt = attempt_grasp(world, standing, played.objects, played.hand, plan.grasps[0])
        record["lost"] += attempt.lost
        failures = 0 if attempt.success else failures + 1
        attempts.append(_told(attempt, plan))
    record |= {"left": len(world.bodies), "end": end}
    if end == "no_grasp":
        record["without_grasp"] = {"plan_reason": plan.reason, "timings": plan.timings}
    return record


def _told(attempt: Attempt, plan: PlanResult) -> dict[str, Any]:
    """JSON-able facts about an attempt at the best grasp of a plan."""
    best = plan.grasps[0]
    return {
        "success": attempt.success,
        "fate": attempt.outcome.fate.name,
        "object": attempt.lifted,
        "score": float(best.score),
        "width": float(best.width),
        "pose": np.asarray(best.T_world_grasp).tolist(),
        "timings": {k: round(v, 5) for k, v in plan.timings.items()},
        "lost": len(attempt.lost),
    }


def recorded_grasp(attempt: dict[str, Any]) -> Grasp:
    """The grasp of a recorded attempt."""
    pose = np.asarray(attempt["pose"])
    return Grasp(pose[:3, 3], pose[:3, :3], attempt["width"], attempt["score"])


def replay(played: Round, attempts: Sequence[dict[str, Any]]) -> SceneView:
    """What the planner saw after recorded attempts; its world is closed.

    The attempts are executed again as recorded, which leaves the scene as it was.
    """
    with played.laid_out() as world:
        for attempt in attempts:
            standing = Standing.of(world, played.scene)
            attempt_grasp(world, standing, played.objects, played.hand, recorded_grasp(attempt))
        return observe(world, played, len(attempts))


def observe(world: World, played: Round, attempt: int) -> SceneView:
    """Render the scene as it stands; view and noise depend on (seed, round, attempt) alone."""
    from sim.scene.renderer import scene_geometry

    settings = played.settings
    standing = Standing.of(world, played.scene)
    geometry = scene_geometry(standing.scene, played.objects, world.workspace)
    if settings.view == "fixed":
        pose = fixed_view()
    else:
        pose = random_view(played.generator(VIEW_STREAM, attempt))
    clean = geometry.render(DEFAULT_INTRINSICS, pose)
    depth = apply_noise(clean, settings.noise, played.generator(NOISE_STREAM, attempt))
    rng = played.generator(PLANNER_STREAM, attempt)
    rehearse = Rehearsal(standing, played.objects, played.hand)
    return SceneView(depth, clean, DEFAULT_INTRINSICS, pose, geometry, world, rng, rehearse)


def objects_in_view(seen: SceneView) -> bool:
    """Whether any object is seen at all, judged on the noise-free depth."""
    points = depth_to_points(seen.clean_depth, seen.intrinsics, seen.T_world_camera, max_depth=1.9)
    lowest = seen.world.workspace.table_height + 0.002
    return int((points[:, 2] > lowest).sum()) >= MIN_VISIBLE_POINTS


@lru_cache(maxsize=4)
def _objects(objects: str, kind: str) -> Sequence[ObjectSpec]:
    from sim.objects.load import load_objects

    return load_objects(objects, find_kind(kind).objects, "all", report=[])
