"""Rounds that tell the planner what failed, and rounds that end after more failures."""

from dataclasses import replace

import numpy as np
import pytest

from equigrasp.detection import DetectionConfig
from equigrasp.grasp import Grasp
from equigrasp.planner import PlanResult
from sim.clutter.planners.model import ModelPlanner
from sim.clutter.planners.oracle import OraclePlanner
from sim.clutter.protocol import EvalSettings
from sim.clutter.rounds import Round, clear_scene, observe
from sim.clutter.scene_lists import build_round

SETTINGS = EvalSettings(
    scene="packed", objects="random_urdfs", noise="none", num_objects=2, max_failures=3, avoid=True
)


@pytest.fixture(scope="module")
def played():
    from sim.scene.builders import Scene

    text = build_round("packed", "random_urdfs", "test", 2, 0, 0)
    return Round(SETTINGS, Scene.from_json(text), 0, 0)


def high(number):
    """A grasp of nothing, its own height each time, beside what the oracle lifts."""
    tip = np.array([0.27, 0.03, 0.25 + 0.01 * number])
    return Grasp(tip, np.diag([1.0, -1.0, -1.0]), 0.05, 0.9)


class Scripted:
    """Fails twice, lifts what the oracle lifts, and fails from then on."""

    def __init__(self):
        self.told, self.oracle = [], OraclePlanner()

    def plan(self, seen):
        self.told.append([grasp.position[2] for grasp in seen.avoid])
        number = len(self.told)
        if number == 3:
            return self.oracle.plan(seen)
        return PlanResult([high(number)], "ok", {"total": 0.0}, None)


def told(played, **changes):
    planner, changed = Scripted(), replace(played, settings=replace(SETTINGS, **changes))
    with changed.laid_out() as world:
        record = clear_scene(world, changed, planner)
    return [[round(z, 3) for z in heights] for heights in planner.told], record


def test_failed_grasps_are_told_while_what_they_were_at_stands(played):
    heights, record = told(played)
    assert heights == [[], *([0.26, 0.27, 0.29, 0.3][:n] for n in (1, 2, 2, 3, 4))]
    assert record["end"] == "failures"
    assert [a["success"] for a in record["attempts"]] == [False, False, True, *[False] * 3]


def test_failed_grasps_are_forgotten_when_what_they_were_at_is_lifted(played, monkeypatch):
    monkeypatch.setattr(DetectionConfig, "avoid_reach", 1.0)  # all were at what is lifted
    heights, _ = told(played)
    assert heights == [[], [0.26], [0.26, 0.27], [], [0.29], [0.29, 0.3]]


def test_by_default_nothing_is_told_and_two_failures_end_a_round(played):
    assert EvalSettings().max_failures == 2
    assert not EvalSettings().avoid
    heights, _ = told(played, avoid=False)
    assert heights == [[]] * 6
    heights, record = told(played, max_failures=2)
    assert heights == [[], [0.26]]
    assert record["end"] == "failures"


def test_a_network_does_not_propose_what_failed(played):
    planner = ModelPlanner("equigiga_packed")
    with played.laid_out() as world:
        first = planner.plan(observe(world, played, 0)).grasps[0]
        again = planner.plan(observe(world, played, 0, avoid=(first,)))
        unmoved = planner.plan(observe(world, replace(played, settings=EvalSettings()), 0))
    assert unmoved.grasps
    for grasp in again.grasps:
        apart = np.linalg.norm(grasp.position - first.position)
        assert apart > 0.02 or abs(grasp.rotation - first.rotation).max() > 0.1


def test_a_network_sees_every_view(played):
    """A camera on the other side shows what the first one does not."""
    ring = {"radius": [0.6, 0.6], "polar": [30, 30], "azimuth": [0, 0], "target": [0.15, 0.15, 0]}
    volumes = []
    for count in (1, 4):
        settings = replace(SETTINGS, viewpoint={**ring, "count": count})
        with replace(played, settings=settings).laid_out() as world:
            seen = observe(world, replace(played, settings=settings), 0)
            assert len(seen.more) == count - 1
            volumes.append(ModelPlanner("equigiga_packed", rectify=False).plan(seen).tsdf)
    observed = [(volume > 0).sum() for volume in volumes]
    assert observed[0] != observed[1]
