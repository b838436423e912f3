"""Trials of a data set's scenes give its labels again; a fine-tuning resumes exactly."""

import json

import numpy as np
import pytest
import torch

import equigrasp
from data_gen.data_set import Resources, generate_data_set
from data_gen.settings import DataDesign, SceneSettings
from equigrasp.data.scene_files import read_scene, scene_path
from equigrasp.data.vocabulary import YAWS_PER_POINT, Fate
from equigrasp.geometry.transforms import yaw_turns
from equigrasp.hand import PANDA
from equigrasp.models.equigiga import EquiGIGA
from equigrasp.models.equiigd import EquiIGD
from equigrasp.weights import load_model
from sim.grasp_finetune import main
from sim.grasping import tuning
from sim.grasping.tries import try_grasps
from sim.grasping.tuning import TrialScenes, lifted_shares
from sim.scene.kinds import find_kind
from sim.scene.physics import Physics
from sim.workers.jobs import Ok

OBJECTS = "procedural:8"
SCENES = 3
TINY = {
    "resolution": 8,
    "fields": 2,
    "depth": 1,
    "hidden_fields": 4,
    "head_blocks": 1,
    "flow_fields": 2,
    "flow_blocks": 1,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Scenes of few objects, some of them heavier than they would be."""
    folder = tmp_path_factory.mktemp("data") / "pile"
    settings = SceneSettings(
        grasps_per_scene=40, objects=OBJECTS, split="all", num_objects=2, occupancy_points=200,
        audit=0.0, physics=Physics(mass_factor=(0.5, 2.0), friction=(0.6, 1.0)),
    )  # fmt: skip
    generate_data_set(folder, DataDesign(find_kind("pile"), 3, settings), SCENES, Resources(2))
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    folder, about = tmp_path_factory.mktemp("model"), {"summary": "tiny", "calibration": {"a": 2.0}}
    equigrasp.save_model(EquiIGD(**TINY), folder / "tiny", about)
    return folder / "tiny"


def test_trials_of_what_was_labelled_end_as_the_labels_say(data):
    equal, lifted = [], 0
    for index in range(SCENES):
        record = read_scene(scene_path(data, index))
        poses = np.zeros((*record.yaw_success.shape, 4, 4))
        turned = record.grasp_rotation[:, None].astype(float) @ yaw_turns(YAWS_PER_POINT)
        poses[..., :3, :3], poses[..., 3, 3] = turned, 1.0
        poses[..., :3, 3] = record.grasp_position[:, None]
        found = try_grasps(
            str(scene_path(data, index)), poses.reshape(-1, 4, 4), OBJECTS, "all", "pybullet",
            PANDA.to_dict(),
        )  # fmt: skip
        won = found["success"].reshape(record.yaw_success.shape)
        equal.append((won == record.yaw_success).mean())
        lifted += int(won.sum())
        assert ((found["fate"] == Fate.SUCCESS) == found["success"]).all()
        both = won & record.yaw_success
        widths = found["width"].reshape(won.shape)[both]
        assert np.median(np.abs(widths - record.yaw_width[both])) < 5e-4
    assert lifted > 10
    assert min(equal) > 0.98  # files hold poses of grasps in single precision


def test_objects_that_a_scene_has_not_are_named(data):
    with pytest.raises(ValueError, match="object"):
        try_grasps(
            str(scene_path(data, 0)), np.eye(4)[None], "pybullet_misc", "all", "pybullet",
            PANDA.to_dict(),
        )  # fmt: skip


def command(weights, data, out, iterations, *more):
    small = ["--scenes", "2", "--points", "4", "--samples", "2", "--epochs", "1"]
    return [
        *("--model", str(weights), "--data", str(data), "--objects", OBJECTS, "--workers", "2"),
        *("--out", str(out), "--iterations", str(iterations), *small, *more),
    ]


@pytest.fixture
def in_this_process(monkeypatch):
    """Trials without workers, which take seconds to start."""

    def run(function, jobs, *, on_result, **how):
        assert function == "sim.grasping.tries:try_grasps"
        for job in jobs:
            on_result(Ok(job.key, try_grasps(**job.kwargs), 1, 0.0, 0.0))

    monkeypatch.setattr(tuning, "run_jobs", run)


def test_an_interrupted_run_goes_on_with_the_same_numbers(
    weights, data, tmp_path, capsys, in_this_process
):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert main(command(weights, data, whole, 2, "--measure", str(data))) == 0
    told = capsys.readouterr().out
    assert "iteration 2  lifted" in told
    assert "before: of 24 rotations" in told
    assert main(command(weights, data, halves, 1)) == 0
    assert main(command(weights, data, halves, 2)) == 0
    tuned = [load_model(f / "model", frozen=False) for f in (whole, halves)]
    first = load_model(weights, frozen=False).state_dict()
    for name, tensor in tuned[0].state_dict().items():
        assert torch.equal(tensor, tuned[1].state_dict()[name]), name
    assert any(not torch.equal(t, first[name]) for name, t in tuned[0].state_dict().items())
    card = tuned[0].card
    assert (card["iterations"], card["tuned_from"]) == (2, "tiny")
    assert card["summary"] == "tiny Fine-tuned by trials of its grasps."
    assert "calibration" not in card
    assert tuned[0].calibration.is_identity
    assert card["trained_on"]["splits"] == ["all"]
    assert card["trained_on"]["object_ids"]
    assert set(card["lifted"]) == {"before", "after"}
    history = json.loads((whole / "iterations.json").read_text())
    assert [row["grasps"] for row in history] == [16, 16]
    kept = (halves / "model.json").read_bytes() + b"\n"  # a calibration may have been written
    (halves / "model.json").write_bytes(kept)
    assert main(command(weights, data, halves, 2)) == 0
    assert "holds 2 iterations already" in capsys.readouterr().out
    assert (halves / "model.json").read_bytes() == kept
    assert main([*command(weights, data, halves, 2), "--clip", "0.2"]) == 1
    assert "other settings (clip)" in capsys.readouterr().err


def test_scenes_that_cannot_be_played_are_counted_and_the_others_learned_from(
    weights, data, tmp_path, monkeypatch, capsys
):
    about = TrialScenes._about

    def broken(self, number):
        found = about(self, number)
        return found | ({"objects": "pybullet_misc"} if number == 1 else {})

    monkeypatch.setattr(TrialScenes, "_about", broken)
    assert main(command(weights, data, tmp_path / "out", 1, "--scenes", "3")) == 0
    assert "1 scenes could not be played" in capsys.readouterr().out
    told = json.loads((tmp_path / "out" / "iterations.json").read_text())[0]
    assert (told["lost"], told["grasps"]) == (1, 16)


def test_shares_are_of_what_was_tried(data, monkeypatch):
    """With hands that always hold, and such that hold where the model is surest."""
    torch.manual_seed(0)
    model = EquiIGD(**TINY).eval()
    scenes = TrialScenes.of(model, [data], OBJECTS)

    def all_hold(self, numbers, tips, rotations):
        shape = tips.shape[:3]
        return list(range(shape[0])), torch.ones(shape, dtype=torch.bool), torch.zeros(shape)

    monkeypatch.setattr(TrialScenes, "outcomes", all_hold)
    found = lifted_shares(model, scenes, points=3, samples=4, at_a_time=2)
    assert found == {
        **dict.fromkeys(("rotations", "points", "surest", "first"), 100.0),
        "scenes": 3.0,
        "grasps": 36.0,
    }

    def one_holds(self, numbers, tips, rotations):
        rows, success, width = all_hold(self, numbers, tips, rotations)
        success[:, 1:] = False
        success[:, :, 1:] = False
        return rows[1:], success[1:], width[1:]  # a scene that could not be played

    monkeypatch.setattr(TrialScenes, "outcomes", one_holds)
    found = lifted_shares(model, scenes, points=3, samples=4)
    assert (found["rotations"], found["points"]) == pytest.approx((100 / 12, 100 / 3))
    assert (found["scenes"], found["grasps"]) == (2.0, 24.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--iterations", "0"], "at least 1"),
        (["--model", "absent"], "absent"),
        (["--data", "absent"], "absent"),
        (["--samples", "1"], "samples is 1"),
        (["--points", "4000"], "labelled points"),
        (["--objects", "pybullet_misc"], "no scene could be played"),
    ],
)
def test_impossible_requests_are_named(weights, data, tmp_path, change, message, capsys):
    assert main([*command(weights, data, tmp_path / "out", 1), *change]) == 1
    assert message in capsys.readouterr().err


def test_models_without_a_flow_and_of_other_hands_are_refused(data, tmp_path, capsys):
    torch.manual_seed(0)
    equigrasp.save_model(EquiGIGA(resolution=8, fields=2, depth=1), tmp_path / "other", {})
    assert main(command(tmp_path / "other", data, tmp_path / "out", 1)) == 1
    assert "EquiGIGA draws no rotations" in capsys.readouterr().err
    model = EquiIGD(**TINY, hand={**PANDA.to_dict(), "opening": 0.05})
    with pytest.raises(ValueError, match="opening"):
        TrialScenes.of(model, [data], OBJECTS)
