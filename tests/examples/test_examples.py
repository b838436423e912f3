"""The short programs to start from do what they say, and stay short."""

import json
from pathlib import Path

import pytest
import trimesh

import equigrasp

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_short(path):
    assert len(path.read_text().splitlines()) <= (100 if path.stem == "demo" else 60)


def test_plan_from_files(run_example, tmp_path):
    run_example("plan_from_files", "--make", tmp_path)
    files, shape = (tmp_path / "depth.npy", tmp_path / "camera.json"), tmp_path / "scene.ply"
    said = run_example("plan_from_files", *files, "--shape", shape)
    assert trimesh.load(shape).is_watertight
    first, _, listed = said.partition("\n")
    grasps = json.loads(listed)
    assert first.startswith(f"{len(grasps)} grasps (ok)")
    assert set(grasps[0]) == {"pose", "width", "score"}


def test_train_a_tiny_model(run_example, tmp_path):
    said = run_example("train_a_tiny_model", tmp_path, "--steps", "6")
    assert "average precision" in said
    assert equigrasp.load_model(tmp_path / "run_6" / "model").card["seed"] == 0


def test_add_a_planner(run_example):
    assert "SUCCESS" in run_example("add_a_planner")


def test_label_a_scene(run_example):
    said = run_example("label_a_scene", "--points", "8", "--hand", "robotiq_2f85")
    assert said.startswith("Ok(key='scene'")
    assert "SUCCESS" in said
