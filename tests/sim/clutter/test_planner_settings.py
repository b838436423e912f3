"""What settings of an evaluation reach each planner, and what a planner makes of its view."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
from equigrasp.perception.rectify import table_depth
from equigrasp.workspace import WORKSPACE
from sim.clutter.attempts import Attempt
from sim.clutter.planners import antipodal, make_planner, oracle, planner_class
from sim.clutter.planners.antipodal import AntipodalPlanner, object_cloud, sample_grasps
from sim.clutter.planners.command import CommandPlanner
from sim.clutter.planners.model import ModelPlanner
from sim.clutter.planners.oracle import _first_to_hold
from sim.clutter.planners.own import OwnPlanner
from sim.clutter.protocol import EvalSettings

OTHER = replace(PANDA, name="other", opening=0.06)
THRESHOLDS = {"quality_threshold": 0.3, "max_peaks": 7}


@pytest.mark.parametrize("rectify", [True, False])
def test_a_network_is_given_thresholds_and_rectification(rectify):
    settings = EvalSettings(model="giga_packed", detection=THRESHOLDS, table_rectify=rectify)
    planner = make_planner(settings_text(settings), PANDA)
    assert isinstance(planner, ModelPlanner)
    detection = planner.planner.detection
    assert (detection.quality_threshold, detection.max_peaks) == (0.3, 7)
    assert planner.planner.rectify_table is rectify
    assert make_planner(settings_text(settings), PANDA) is planner


def settings_text(settings):
    return json.dumps(settings.to_dict(), sort_keys=True)


@pytest.mark.parametrize("rectify", [True, False])
def test_planners_without_weights_are_given_hand_and_rectification(rectify, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "sim.clutter.planners.command.PlannerProcess", lambda *given: asked.append(given)
    )
    for model in ("antipodal", "cmd:python x.py", f"{__file__}:Mine"):
        settings = EvalSettings(model=model, table_rectify=rectify, plan_seconds=7.0)
        planner = planner_class(model).from_settings(settings, OTHER)
        assert (planner.hand, planner.rectify) == (OTHER, rectify)
        assert isinstance(planner, (AntipodalPlanner, CommandPlanner, OwnPlanner))
    assert asked == [(["python", "x.py"], OTHER, 7.0)]
    assert planner_class("oracle").from_settings(EvalSettings(model="oracle"), OTHER).hand == OTHER


class Mine:
    """A planner of a user's."""

    def __init__(self, hand):
        self.hand = hand

    def plan(self, view):
        return np.zeros((0, 4, 4)), [], []


class Watched:
    """Stands in for the network's planner."""

    def plan(self, depth, intrinsics, pose, avoid=()):
        self.asked = depth, intrinsics, pose, avoid
        return "planned"


def test_a_network_sees_noise_and_all_views_and_is_told_what_failed():
    planner = object.__new__(ModelPlanner)
    planner.planner = Watched()
    rng = np.random.default_rng(0)
    first, second, clean = rng.random((3, 4, 5))
    poses = [fixed_view(), np.eye(4)]
    told = {"intrinsics": DEFAULT_INTRINSICS, "avoid": ("failed",), "clean_depth": clean}
    seen = SimpleNamespace(depth=first, T_world_camera=poses[0], more=(), **told)
    assert planner.plan(seen) == "planned"
    depth, intrinsics, pose, avoid = planner.planner.asked
    assert depth is first
    assert (intrinsics, avoid) == (DEFAULT_INTRINSICS, ("failed",))
    np.testing.assert_array_equal(pose, poses[0])
    seen.more = ((second, poses[1]),)
    planner.plan(seen)
    depth, _, pose, _ = planner.planner.asked
    np.testing.assert_array_equal(depth, [first, second])
    np.testing.assert_array_equal(pose, poses)


def block(factor=1.0):
    """View of the table with something 40 mm above it, measured by a camera with a factor."""
    depth = table_depth(DEFAULT_INTRINSICS, fixed_view(), WORKSPACE).astype(np.float32)
    depth[220:260, 290:350] -= 0.04
    return SimpleNamespace(
        depth=factor * depth,
        clean_depth=depth,
        intrinsics=DEFAULT_INTRINSICS,
        T_world_camera=fixed_view(),
        rng=np.random.default_rng(0),
        more=(),
    )


@pytest.mark.parametrize("rectify", [True, False])
def test_the_floor_plans_from_the_depth_that_it_is_asked_to_plan_from(monkeypatch, rectify):
    """A factor of 1.03 lifts or sinks what is seen by 2 cm unless it is undone."""
    clouds = []

    def cloud(depth, *rest):
        clouds.append(object_cloud(depth, *rest))
        return clouds[-1]

    monkeypatch.setattr(antipodal, "object_cloud", cloud)
    plan = AntipodalPlanner(rectify=rectify).plan(block(1.03))
    right, _ = object_cloud(block().depth, DEFAULT_INTRINSICS, fixed_view())
    (found, _) = clouds[0]
    off = np.abs(found.mean(0) - right.mean(0)).max()
    assert (off < 1e-3) == rectify
    assert [fit.scale for fit in plan.tables] == pytest.approx([1.03] * rectify, abs=2e-3)


def ball(radius=0.02, count=600):
    """Points and normals of a ball that stands on the table."""
    rng = np.random.default_rng(1)
    normals = rng.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return radius * normals + [0.15, 0.15, WORKSPACE.table_height + 0.03], normals


def test_the_floor_ranks_hands_that_close_on_the_middle():
    points, normals = ball()
    grasps = sample_grasps(points, normals, np.random.default_rng(0))
    assert len(grasps) == antipodal.MAX_GRASPS
    assert [g.score for g in grasps] == sorted((g.score for g in grasps), reverse=True)
    for grasp in grasps[:5]:
        across = (points - grasp.position) @ grasp.rotation[:, 1]
        assert abs(across.max() + across.min()) / 2 < 0.012
        assert 0.005 <= grasp.width <= PANDA.opening


def told(success, lost=()):
    return Attempt(SimpleNamespace(success=success), "a" if success else None, tuple(lost))


@pytest.mark.parametrize(
    ("outcomes", "chosen"),
    [
        ([told(False), told(True), told(True)], 1),
        ([told(True, ["b"]), told(False), told(True)], 2),
        ([told(False), told(True, ["b"]), told(True, ["c"])], 1),
        ([told(False), told(False, ["b"])], None),
        ([], None),
    ],
)
def test_the_oracle_takes_what_lifts_and_pushes_nothing_out(outcomes, chosen):
    queue = [Grasp(np.full(3, 0.1 + 0.01 * i), np.eye(3), 0.05, 0.2) for i in range(len(outcomes))]
    answers = dict(zip(map(id, queue), outcomes, strict=True))
    found = _first_to_hold(SimpleNamespace(rehearse=lambda grasp: answers[id(grasp)]), queue)
    if chosen is None:
        assert found == []
    else:
        (grasp,) = found
        np.testing.assert_array_equal(grasp.position, queue[chosen].position)
        assert grasp.score == 1.0


def test_the_oracle_rehearses_the_surest_points_first_and_each_before_any_again():
    yaws = np.array([[True, False, True, True], [False] * 4, [False, True, False, False]])
    labels = SimpleNamespace(
        yaw_success=yaws, point_success=yaws.any(1), yaw_width=np.full((3, 4), 0.03)
    )
    candidates = SimpleNamespace(
        position=np.arange(9.0).reshape(3, 3),
        rotation=np.repeat(np.eye(3)[None], 3, 0),
        source=np.full(3, oracle.Source.ANTIPODAL),
    )
    confirmed = oracle.confirmed(candidates, labels)
    points = [int(grasp.position[0]) // 3 for grasp in confirmed]
    assert points == [0, 2, 0, 0]
    assert [int(g.position[0]) // 3 for g in oracle.refused(candidates, labels)] == [1]
