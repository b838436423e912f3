"""Rounds on real physics: stopping rules, resumption, replay."""

import json
from dataclasses import replace

import numpy as np
import pytest

from equigrasp.grasp import Grasp
from equigrasp.planner import PlanResult
from equigrasp.workspace import WORKSPACE
from sim.clutter.protocol import EvalSettings
from sim.clutter.rounds import Round, clear_scene, replay
from sim.clutter.run import SettingsMismatchError, read_rounds, run_evaluation
from sim.clutter.scene_lists import (
    build_round,
    build_scene_list,
    public_object_names,
    read_scene_list,
    write_scene_list,
)

SETTINGS = EvalSettings(scene="packed", objects="random_urdfs", noise="none", num_objects=2)


class Scripted:
    """Offers the same grasp again and again, or none."""

    def __init__(self, grasps):
        self.grasps = grasps
        self.calls = 0

    def plan(self, seen):
        self.calls += 1
        return PlanResult(self.grasps, "ok" if self.grasps else "no_grasp", {"total": 0.0}, None)


@pytest.fixture(scope="module")
def scene():
    from sim.scene.builders import Scene

    return Scene.from_json(build_round("packed", "random_urdfs", "test", 2, 0, 0))


def played(scene, planner):
    whole = Round(SETTINGS, scene, 0, 0)
    with whole.laid_out() as world:
        return clear_scene(world, whole, planner)


def test_two_failures_in_a_row_end_the_round(scene):
    in_the_air = Grasp(np.array([0.15, 0.15, 0.29]), np.diag([1.0, -1.0, -1.0]), 0.05, 0.9)
    planner = Scripted([in_the_air])
    record = played(scene, planner)
    assert record["end"] == "failures"
    assert [a["success"] for a in record["attempts"]] == [False, False]
    assert planner.calls == 2
    assert record["left"] == record["objects"] == len(scene.bodies)
    json.dumps(record, allow_nan=False)


def test_no_grasp_ends_the_round_without_an_attempt(scene):
    record = played(scene, Scripted([]))
    assert record["end"] == "no_grasp"
    assert record["attempts"] == []
    assert record["without_grasp"]["plan_reason"] == "no_grasp"


def test_recorded_attempts_lead_back_to_what_the_planner_saw(scene):
    low = Grasp(np.array([0.15, 0.15, 0.06]), np.diag([1.0, -1.0, -1.0]), 0.08, 0.9)
    start = scene.bodies[0].T_world_object[:3, 3]
    onto = Grasp(np.array([*start[:2], 0.07]), np.diag([1.0, -1.0, -1.0]), 0.08, 0.9)
    planner = Scripted([onto])
    depths, plan = [], planner.plan

    def watch(seen):
        depths.append(seen.clean_depth)
        planner.grasps = [onto if len(depths) == 1 else low]
        return plan(seen)

    planner.plan = watch
    record = played(scene, planner)
    assert len(depths) >= 2
    assert not np.array_equal(depths[0], depths[1])  # the first attempt moved something

    seen = replay(Round(SETTINGS, scene, 0, 0), record["attempts"][:1])
    np.testing.assert_array_equal(seen.clean_depth, depths[1])


def test_results_of_other_weights_or_code_are_not_resumed(tmp_path):
    settings = EvalSettings(objects="random_urdfs", fingerprint="one")
    run_evaluation(settings, {}, tmp_path / "out")
    with pytest.raises(SettingsMismatchError, match="fingerprint"):
        run_evaluation(replace(settings, fingerprint="other"), {}, tmp_path / "out")


def test_a_round_is_a_function_of_its_scene_and_seed():
    first = build_round("packed", "random_urdfs", "test", 2, 3, 1)
    assert first == build_round("packed", "random_urdfs", "test", 2, 3, 1)
    assert first != build_round("packed", "random_urdfs", "test", 2, 3, 2)
    assert first != build_round("packed", "random_urdfs", "test", 2, 0, 1)


def test_evaluation_resumes_and_refuses_other_settings(tmp_path, capsys):
    settings = EvalSettings(scene="packed", objects="random_urdfs", num_objects=1)
    keys = [(0, 0), (0, 1)]
    scenes = build_scene_list(settings, keys, workers=2)
    out = tmp_path / "whole"
    whole = run_evaluation(settings, scenes, out, workers=2)
    assert whole["rounds"] == 2
    assert whole["crashed_rounds"] == 0

    lines = sorted((out / "rounds.jsonl").read_text().splitlines())
    torn = tmp_path / "torn"
    torn.mkdir()
    (torn / "settings.json").write_text((out / "settings.json").read_text())
    (torn / "rounds.jsonl").write_text(lines[0] + "\n" + lines[1][: len(lines[1]) // 2])
    again = run_evaluation(settings, scenes, torn, workers=1)
    assert "torn" in capsys.readouterr().err
    for name in ("successes", "attempts", "objects", "ends", "gsr", "dr"):
        assert again[name] == whole[name]
    assert len(read_rounds(torn / "rounds.jsonl")) == 2

    other = EvalSettings(scene="packed", objects="random_urdfs", num_objects=1, noise="none")
    with pytest.raises(SettingsMismatchError, match="noise"):
        run_evaluation(other, scenes, torn)


def test_scene_lists_round_trip_and_hold_no_paths(tmp_path, scene):
    settings = EvalSettings(scene="packed", objects="random_urdfs,/some/folder/mine")
    write_scene_list(tmp_path / "scenes.json", settings, {(0, 0): scene})
    assert "/some" not in (tmp_path / "scenes.json").read_text()
    back = read_scene_list(tmp_path / "scenes.json", "packed")[(0, 0)]
    assert back.to_json() == scene.to_json()
    with pytest.raises(ValueError, match="pile"):
        read_scene_list(tmp_path / "scenes.json", "pile")


def test_object_names_lose_their_folders():
    assert public_object_names("default,/a/b/objects") == "default,objects"


@pytest.mark.parametrize("wrong", [{"scene": "heap"}, {"view": "top"}, {"noise": "salt"}])
def test_unknown_settings_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong.values()))):
        EvalSettings(**wrong)


def test_oracle_clears_what_it_sees(scene):
    from sim.clutter.planners.oracle import OraclePlanner

    record = played(scene, OraclePlanner())
    assert record["attempts"]
    assert record["attempts"][0]["success"]


def test_antipodal_hands_clear_the_observed_points():
    from sim.clutter.planners.antipodal import CLEARANCE, sample_grasps

    rng = np.random.default_rng(0)
    sides = rng.uniform(-1, 1, (600, 3)) * [0.02, 0.02, 0.03]
    face = rng.integers(0, 3, 600)
    normals = np.zeros((600, 3))
    sign = rng.choice([-1.0, 1.0], 600)
    half = np.array([0.02, 0.02, 0.03])
    sides[np.arange(600), face] = sign * half[face]
    normals[np.arange(600), face] = sign
    points = sides + [0.15, 0.15, WORKSPACE.table_height + 0.03]
    grasps = sample_grasps(points, normals, rng)
    assert grasps
    for grasp in grasps:
        local = (points - grasp.position) @ grasp.rotation
        finger = (np.abs(local[:, 0]) < 0.01) & (local[:, 2] < 0) & (local[:, 2] > -0.046)
        blocked = finger & (np.abs(local[:, 1]) > 0.04 - CLEARANCE / 2)
        assert not (blocked & (np.abs(local[:, 1]) < 0.066)).any()
        assert grasp.position[2] > WORKSPACE.table_height
