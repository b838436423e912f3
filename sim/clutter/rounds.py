"""One round: clear a scene grasp by grasp. Runs in worker processes.

A round ends when the table is empty, when nothing is in view, when the planner offers no grasp, or
after as many failures in a row as the settings say (published: two). The hand may touch things on
its way (unlike in labelling); a lifted object is removed, and what leaves the workspace is removed
without counting as cleared.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from equigrasp.avoid import still_standing
from equigrasp.detection import DetectionConfig
from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA, Hand
from equigrasp.perception.camera import (
    Intrinsics,
    depth_to_points,
    fixed_view,
    random_view,
)
from equigrasp.perception.noise import PIXEL_SIGMA, apply_noise
from equigrasp.plan_result import PlanResult
from sim.clutter.attempts import Attempt, Rehearsal, Standing
from sim.clutter.planner import ClutterPlanner
from sim.clutter.planners import make_planner
from sim.clutter.protocol import (
    NOISE_STREAM,
    PLANNER_STREAM,
    VIEW_STREAM,
    EvalSettings,
    round_generator,
)
from sim.clutter.scene_view import SceneView
from sim.clutter.viewpoints import Viewpoint
from sim.scene.kinds import find_kind

if TYPE_CHECKING:
    from sim.objects.spec import ObjectSpec
    from sim.scene.builders import Scene
    from sim.scene.simulator import Simulator

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

    def rehearsal(self, world: Simulator) -> Rehearsal:
        """The attempt that comes next in a world of this round, all but its grasp."""
        hand, friction = self.hand, self.settings.finger_friction
        if friction is not None:
            hand = replace(hand, friction=friction)
        standing = Standing.of(world, self.scene)
        return Rehearsal(standing, self.objects, hand, self.settings.trial, world.simulator)

    def cameras(self, attempt: int) -> list[np.ndarray]:
        """`T_world_camera`, (4, 4) each, of the views of an attempt."""
        settings, rng = self.settings, self.generator(VIEW_STREAM, attempt)
        if settings.viewpoint:
            return Viewpoint.of(settings.viewpoint).draw(rng)
        return [fixed_view() if settings.view == "fixed" else random_view(rng)]

    def generator(self, stream: int, attempt: int) -> np.random.Generator:
        """Of one purpose in one attempt, whatever the planner did before."""
        return round_generator(self.seed, self.index, stream, attempt)

    @contextmanager
    def laid_out(self) -> Iterator[Simulator]:
        """A simulated world that holds the scene."""
        from sim.scene.builders import load_scene
        from sim.scene.choice import open_world

        with open_world(self.settings.simulator) as world:
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
    world: Simulator, played: Round, planner: ClutterPlanner, watch: Watcher | None = None
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
    attempts, end = record["attempts"], "cleared"
    failed: list[Grasp] = []
    in_a_row = 0
    while world.bodies:
        if in_a_row == played.settings.max_failures:
            end = "failures"
            break
        rehearse = played.rehearsal(world)
        seen = observe(world, played, len(attempts), tuple(failed))
        if not objects_in_view(seen):
            end = "empty_view"
            break
        plan = planner.plan(seen)
        if not plan.grasps:
            end = "no_grasp"
            break
        if watch is not None:
            watch(seen, plan)
        attempt = rehearse.perform(world, plan.grasps[0])
        record["lost"] += attempt.lost
        in_a_row = 0 if attempt.success else in_a_row + 1
        failed = _remembered(failed, plan.grasps[0], attempt)
        attempts.append(_told(attempt, plan))
    record |= {"left": len(world.bodies), "end": end}
    if end == "no_grasp":
        record["without_grasp"] = {"plan_reason": plan.reason, "timings": plan.timings}
    return record


def _remembered(failed: list[Grasp], tried: Grasp, attempt: Attempt) -> list[Grasp]:
    """Grasps that failed at what stands there still, after one more was tried."""
    if not attempt.success:
        return [*failed, tried]
    return still_standing(failed, tried, DetectionConfig.avoid_reach)


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


def replayed(played: Round, attempts: Sequence[dict[str, Any]]) -> Iterator[SceneView]:
    """What the planner saw before each of the recorded attempts, and the table after the last.

    The attempts are executed again as recorded, which changes the scene as it did then.
    """
    failed: list[Grasp] = []
    with played.laid_out() as world:
        for number, recorded in enumerate(attempts):
            rehearse = played.rehearsal(world)
            yield observe(world, played, number, tuple(failed))
            grasp = recorded_grasp(recorded)
            failed = _remembered(failed, grasp, rehearse.perform(world, grasp))
        yield observe(world, played, len(attempts), tuple(failed))


def replay(played: Round, attempts: Sequence[dict[str, Any]]) -> SceneView:
    """What the planner saw after recorded attempts; its world is closed."""
    *_, seen = replayed(played, attempts)
    return seen


def observe(
    world: Simulator, played: Round, attempt: int, avoid: tuple[Grasp, ...] = ()
) -> SceneView:
    """Render the scene as it stands; views and noise depend on (seed, round, attempt) alone.

    Args:
        avoid: grasps that failed; the planner learns of them where the settings say so.
    """
    from sim.scene.renderer import scene_geometry

    settings, rehearse = played.settings, played.rehearsal(world)
    camera = Intrinsics.from_dict(settings.intrinsics)
    geometry = scene_geometry(rehearse.standing.scene, played.objects, world.workspace)
    rng = played.generator(NOISE_STREAM, attempt)
    sigma = PIXEL_SIGMA if settings.noise_sigma is None else settings.noise_sigma
    poses = played.cameras(attempt)
    clean = [geometry.render(camera, pose) for pose in poses]
    depth = [apply_noise(image, settings.noise, rng, pixel_sigma=sigma) for image in clean]
    return SceneView(
        depth=depth[0],
        clean_depth=clean[0],
        intrinsics=camera,
        T_world_camera=poses[0],
        geometry=geometry,
        world=world,
        rng=played.generator(PLANNER_STREAM, attempt),
        rehearse=rehearse,
        more=tuple(zip(depth[1:], poses[1:], strict=True)),
        avoid=avoid if settings.avoid else (),
    )


def objects_in_view(seen: SceneView) -> bool:
    """Whether any object is seen at all, judged on the noise-free depth."""
    points = depth_to_points(seen.clean_depth, seen.intrinsics, seen.T_world_camera, max_depth=1.9)
    lowest = seen.world.workspace.table_height + 0.002
    return int((points[:, 2] > lowest).sum()) >= MIN_VISIBLE_POINTS


@lru_cache(maxsize=4)
def _objects(objects: str, kind: str) -> Sequence[ObjectSpec]:
    from sim.objects.load import load_objects

    return load_objects(objects, find_kind(kind).objects, "all", report=[])
