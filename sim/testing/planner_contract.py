"""What every planner under test keeps to.

    class TestMine(PlannerContract):
        model = "mine"

in a test module checks the planner that `--model mine` names; a class that is not in
`sim/clutter/planners` is given as `planner = Mine`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from equigrasp.geometry.transforms import is_rotation
from equigrasp.hand import Hand
from equigrasp.plan_result import PlanResult
from equigrasp.testing.require import require
from sim.clutter.planner import ClutterPlanner
from sim.clutter.planners import planner_class
from sim.clutter.protocol import EvalSettings
from sim.clutter.rounds import Round, observe
from sim.clutter.scene_lists import build_round
from sim.clutter.scene_view import SceneView
from sim.workers.jobs import Job, Ok
from sim.workers.run import run_jobs


class PlannerContract:
    """Test methods for a planner; see the module.

    Attributes:
        model: what `--model` would be given.
        planner: the class, where it is not the one that `model` names.
        hand: the hand to plan for; by default the planner's own.
        settings: further fields of `EvalSettings`. The scene has to be one in which it finds a
            grasp.
    """

    model: str = ""
    planner: type[ClutterPlanner] | None = None
    hand: Hand | None = None
    settings: dict[str, Any] = {"scene": "packed", "objects": "random_urdfs", "num_objects": 2}

    def test_grasps_are_finite_ranked_and_in_the_workspace(self) -> None:
        """At least one grasp, the best first, in the workspace frame and within the hand."""
        with self._seen() as seen:
            plan = self._made().plan(seen)
            side = seen.world.workspace.side
        require(len(plan.grasps) > 0, f"no grasp in a scene of {self.settings}: {plan.reason}")
        scores = [grasp.score for grasp in plan.grasps]
        require(bool(np.isfinite(scores).all()), f"scores are {scores}")
        require(scores == sorted(scores, reverse=True), f"not ranked by score: {scores}")
        opening = self._hand().opening
        for grasp in plan.grasps:
            position, width = np.asarray(grasp.position), grasp.width
            require(
                bool(((position > 0) & (position < side)).all()),
                f"a grasp at {position} m; the workspace is a cube of {side} m at the origin",
            )
            require(is_rotation(grasp.rotation), f"no rotation: {grasp.rotation}")
            require(0 < width <= opening + 1e-9, f"width {width} m of a hand of {opening} m")

    def test_equal_views_give_equal_grasps(self) -> None:
        """The view and its generator decide; what was planned before does not."""
        planner, plans = self._made(), []
        for _ in range(2):
            with self._seen() as seen:
                plans.append(planner.plan(seen))
        _require_equal(*plans)

    def test_it_leaves_alone_what_it_sees(self) -> None:
        """Neither the images nor the simulated scene are changed."""
        with self._seen() as seen:
            depth, poses = seen.depth.copy(), _poses(seen)
            self._made().plan(seen)
            np.testing.assert_array_equal(seen.depth, depth)
            np.testing.assert_array_equal(_poses(seen), poses)

    def test_an_empty_table_is_answered(self) -> None:
        """No object: a plan with a reason, and no error."""
        with self._seen(empty=True) as seen:
            plan = self._made().plan(seen)
        require(isinstance(plan.reason, str) and plan.reason != "", f"reason {plan.reason!r}")

    def test_an_empty_image_is_answered(self) -> None:
        """No reading at all: no grasp from a planner that reads depth, and no error."""
        with self._seen() as seen:
            blind = replace(seen, depth=np.zeros_like(seen.depth))
            plan = self._made().plan(blind)
        if self._class().reads_depth:
            require(plan.grasps == [], f"{len(plan.grasps)} grasps seen in an empty image")

    def test_planning_time_is_told(self) -> None:
        """Seconds by stage, their sum as "total"."""
        with self._seen() as seen:
            timings = self._made().plan(seen).timings
        require("total" in timings, f"no total among {sorted(timings)}")
        wrong = {k: v for k, v in timings.items() if not (np.isfinite(v) and v >= 0)}
        require(not wrong, f"these are no times: {wrong}")

    def test_a_worker_process_makes_the_same_planner(self) -> None:
        """From the settings alone, it plans there what it plans here."""
        kind, answers = self._class(), []
        where = f"{kind.__module__}:{kind.__qualname__}"
        arguments = {"planner": where, "settings": self._settings(), "hand": self._hand()}
        job = Job(0, {**arguments, "scene": _scene(**self._scene_options())})
        function = f"{__name__}:plan_in_worker"
        run_jobs(function, [job], workers=1, timeout_s=300.0, on_result=answers.append)
        require(isinstance(answers[0], Ok), f"the worker failed: {answers[0]}")
        with self._seen() as seen:
            mine = self._made().plan(seen)
        np.testing.assert_allclose(answers[0].value, _numbers(mine), atol=1e-6)

    def test_what_it_is_made_of_is_there(self) -> None:
        """Modules and files that its fingerprint counts."""
        modules, files = self._class().made_of(self.model)
        for name in modules:
            importlib.import_module(name)
        missing = [str(file) for file in files if not Path(file).is_file()]
        require(not missing, f"no such files: {missing}")

    def _class(self) -> type[ClutterPlanner]:
        return self.planner or planner_class(self.model)

    def _hand(self) -> Hand:
        return self._class().hand_for(self.model, self.hand)

    def _settings(self) -> EvalSettings:
        named = {"model": self.model} if self.model else {}
        return EvalSettings(**{**self.settings, **named, "hand": self._hand().to_dict()})

    def _made(self) -> ClutterPlanner:
        return self._class().from_settings(self._settings(), self._hand())

    def _scene_options(self) -> dict[str, Any]:
        settings = self._settings()
        return {"scene": settings.scene, "objects": settings.objects, "count": settings.num_objects}

    @contextmanager
    def _seen(self, empty: bool = False) -> Iterator[SceneView]:
        text = _scene(**self._scene_options())
        with _view(self._settings(), self._hand(), text, empty) as seen:
            yield seen


def plan_in_worker(planner: str, settings: EvalSettings, hand: Hand, scene: str) -> np.ndarray:
    """Plan for the first view of a scene (JSON) with the planner "module:class"; its numbers."""
    module, _, name = planner.partition(":")
    kind = getattr(importlib.import_module(module), name)
    with _view(settings, hand, scene) as seen:
        return _numbers(kind.from_settings(settings, hand).plan(seen))


@lru_cache(maxsize=8)
def _scene(scene: str, objects: str, count: int) -> str:
    return build_round(scene, objects, "test", count, 0, 0)


@contextmanager
def _view(
    settings: EvalSettings, hand: Hand, text: str, empty: bool = False
) -> Iterator[SceneView]:
    """The first view of a round, or the one of its table without objects."""
    from sim.scene.builders import Scene

    scene = Scene.from_json(text)
    played = Round(settings, replace(scene, bodies=()) if empty else scene, 0, 0, hand)
    with played.laid_out() as world:
        yield observe(world, played, 0)


def _numbers(plan: PlanResult) -> np.ndarray:
    """(n, 18): pose, width and score of every grasp."""
    rows = [[*np.ravel(g.T_world_grasp), g.width, g.score] for g in plan.grasps]
    return np.array(rows).reshape(-1, 18)


def _poses(seen: SceneView) -> np.ndarray:
    return np.array([seen.world.pose(body) for body in seen.world.bodies])


def _require_equal(first: PlanResult, second: PlanResult) -> None:
    require(first.reason == second.reason, f"reasons {first.reason!r} and {second.reason!r}")
    np.testing.assert_array_equal(_numbers(first), _numbers(second))
