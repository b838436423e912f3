"""Calibrating from the command line, and the attempts that it is fitted on."""

import json
import shutil

import numpy as np
import pytest

from equigrasp.calibration import Calibration
from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA
from equigrasp.weights import find_weights, load_model
from sim import calibrate
from sim.clutter.outcomes import spread, tried_grasps
from sim.clutter.protocol import EvalSettings
from sim.clutter.scene_lists import build_round

TRUTH = Calibration(1.3, 0.7, -1.0, pose={"height": -1.5, "width": 2.0})


@pytest.fixture
def weights(tmp_path):
    """A copy of shipped weights that are not calibrated, whose card may be written."""
    for file in find_weights("equigiga_pile"):
        shutil.copy(file, tmp_path / f"mine{file.suffix}")
    card = json.loads((tmp_path / "mine.json").read_text())
    del card["calibration"]
    (tmp_path / "mine.json").write_text(json.dumps(card))
    return tmp_path / "mine"


@pytest.fixture
def made_up(monkeypatch):
    """Attempts drawn from a known map take the place of simulated ones."""
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.05, 0.95, 3000)
    about = rng.normal(scale=0.4, size=(len(scores), 3))
    success = rng.random(len(scores)) < TRUTH(scores, about)
    tried = [
        {"score": float(s), "about": a.tolist(), "success": bool(y), "rank": i % 6}
        for i, (s, a, y) in enumerate(zip(scores, about, success, strict=True))
    ]
    monkeypatch.setattr(calibrate, "play", lambda args: tried)


def run(weights, *more):
    return calibrate.main(["--model", str(weights), "--scene", "pile", *more])


def test_the_map_is_written_into_the_card_and_nothing_else_changes(weights, made_up, capsys):
    before = json.loads(weights.with_suffix(".json").read_text())
    assert run(weights, "--dry-run") == 0
    assert json.loads(weights.with_suffix(".json").read_text()) == before
    assert run(weights, "--objects", "some/folder/of/mine") == 0
    card = json.loads(weights.with_suffix(".json").read_text())
    told = card.pop("calibration")["fitted_on"]
    assert card == before
    assert (told["objects"], told["split"], told["grasps"]) == ("mine", "val", 3000)
    found = load_model(weights).calibration
    test = np.linspace(0.1, 0.9, 20)
    np.testing.assert_allclose(found(test), TRUTH(test), atol=0.08)
    expected = {"height": -1.5, "down": 0.0, "width": 2.0}
    assert found.pose == pytest.approx(expected, abs=0.6)
    text = capsys.readouterr().out
    assert text.count("all tried: 3000 grasps") == 2
    assert "the best of each plan: 500 grasps" in text


def test_a_check_measures_what_the_card_holds(weights, made_up, capsys):
    bare = weights.with_suffix(".json").read_text()
    assert run(weights, "--check", "--split", "all") == 0
    assert "a = 1.0000, b = 1.0000, c = 0.0000" in capsys.readouterr().out
    assert weights.with_suffix(".json").read_text() == bare


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--split", "test"], "for evaluations"),
        (["--split", "test", "--check"], "for evaluations"),
        (["--split", "all"], "check on all"),
        (["--tries", "0"], "--tries is 0"),
        (["--floor", "1.0"], "--floor is 1.0"),
        (["--model", "antipodal"], "has no card"),
        (["--model", "published.pt"], "has no card"),
        (["--model", "nowhere"], "no model at"),
    ],
)
def test_unusable_input_is_refused(options, message, weights, made_up, capsys):
    assert run(weights, *options) == 2
    assert message in capsys.readouterr().err


def test_grasps_are_tried_from_the_best_to_the_last():
    grasps = [Grasp(np.zeros(3), np.eye(3), 0.04, 0.5)] * 11
    assert spread(grasps, 6) == [0, 2, 4, 6, 8, 10]
    assert spread(grasps, 1) == [0]
    assert spread(grasps[:3], 6) == [0, 1, 2]


def test_attempts_of_a_scene_know_score_rank_and_outcome():
    floor = {"quality_threshold": 0.05, "quality_floor": 0.05}
    settings = EvalSettings(
        scene="pile", objects="random_urdfs", model="equigiga_pile", detection=floor
    ).to_dict()
    scene = build_round("pile", "random_urdfs", "train", 3, 0, 0)
    tried = tried_grasps(settings, scene, 0, 0, PANDA.to_dict(), 4)
    ranks = [entry["rank"] for entry in tried]
    assert ranks.count(0) >= 2
    assert 4 < len(tried) <= 4 * ranks.count(0)
    assert all(0.05 <= entry["score"] <= 1 for entry in tried)
    heights, down, widths = np.array([entry["about"] for entry in tried]).T
    assert ((heights > -0.6) & (heights < 2)).all()
    assert ((down > -1.7) & (down <= 0.3)).all()
    assert ((widths > -0.5) & (widths <= 0.5)).all()
    assert {type(entry["success"]) for entry in tried} == {bool}
    assert any(entry["success"] for entry in tried)
    assert tried == tried_grasps(settings, scene, 0, 0, PANDA.to_dict(), 4)
    json.dumps(tried, allow_nan=False)
