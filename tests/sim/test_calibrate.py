"""Calibrating from the command line, and the attempts that it is fitted on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

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

ROOT = Path(__file__).parents[2]
SCENES = ["--objects", "procedural:12", "--split", "train", "--num-objects", "1", "--tries", "2"]
"""Of one object each: quickly played."""
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
    monkeypatch.setattr(calibrate, "play", lambda args, out: tried)


def run(weights, *more, out="tried"):
    out = weights.parent / out
    return calibrate.main(
        ["--model", str(weights), "--scene", "pile", "--out", str(out), "--workers", "1", *more]
    )


def rows(folder):
    """Finished lines of a folder, by number of the scene."""
    text = (folder / "tried.jsonl").read_text() if (folder / "tried.jsonl").exists() else ""
    told = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return {row["round"]: row for row in told}


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
    told = tried_grasps(settings, scene, 0, 0, PANDA.to_dict(), 4)
    assert (told["seed"], told["round"]) == (0, 0)
    tried = told["tried"]
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
    assert told == tried_grasps(settings, scene, 0, 0, PANDA.to_dict(), 4)
    json.dumps(told, allow_nan=False)


@pytest.fixture
def fit_on(monkeypatch):
    """How many attempts each fit was given; the map itself is not asked for."""
    found = []

    def note(scores, success, made, about):
        found.append(len(scores))
        return Calibration(fitted_on=made)

    monkeypatch.setattr(calibrate, "fit", note)
    return found


def test_a_killed_calibration_goes_on_and_comes_to_the_same(weights, fit_on, capfd):
    """Every scene that was finished before the kill stays; the rest is what it would have been."""
    folder = weights.parent / "killed"
    line = ["--model", str(weights), "--scene", "pile", "--out", str(folder), "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "sim.calibrate", *line, *SCENES, "--scenes", "60"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )
    while len(rows(folder)) < 2 and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = rows(folder)
    with open(folder / "tried.jsonl", "a") as log:
        log.write('{"seed": 1000, "round": 4, "tried": [{"sc')  # as a kill may leave it
    count = len(before) + 1
    assert count > 2, capfd.readouterr().err
    assert run(weights, *SCENES, "--scenes", str(count), out="killed") == 0
    after = rows(folder)
    assert {name: after[name] for name in before} == before
    assert run(weights, *SCENES, "--scenes", str(count), out="whole") == 0
    assert after == rows(weights.parent / "whole")
    assert fit_on == [sum(len(row["tried"]) for row in after.values())] * 2


def test_what_was_tried_serves_again_and_other_settings_are_refused(weights, fit_on, capsys):
    """A dry run before the real one, fewer scenes, the card that was written in between."""
    assert run(weights, *SCENES, "--scenes", "2", "--dry-run") == 0
    log = weights.parent / "tried" / "tried.jsonl"
    before = log.read_text()
    assert run(weights, *SCENES, "--scenes", "2") == 0
    assert json.loads(weights.with_suffix(".json").read_text())["calibration"]
    assert run(weights, *SCENES, "--scenes", "1", "--dry-run") == 0
    assert log.read_text() == before
    whole = [len(json.loads(line)["tried"]) for line in before.splitlines()]
    assert fit_on == [sum(whole), sum(whole), whole[0]]
    for change, word in (
        (["--tries", "3"], "tries=2 (now 3)"),
        (["--view", "fixed"], "view='both' (now 'fixed')"),
        (["--noise", "none"], "noise='gamma' (now 'none')"),
        (["--floor", "0.2"], "detection.quality_floor=0.1 (now 0.2)"),
    ):
        assert run(weights, *SCENES, "--scenes", "2", *change) == 2
        said = capsys.readouterr().err
        assert word in said
        assert "another --out" in said
    assert log.read_text() == before


def test_other_weights_begin_another_folder(weights, fit_on, capsys):
    """The digest is of tensors and card, without what calibrating itself writes into the card."""
    assert run(weights, *SCENES, "--scenes", "1", "--dry-run") == 0
    for file in find_weights("equigiga_packed"):
        shutil.copy(file, weights.with_suffix(file.suffix))
    assert run(weights, *SCENES, "--scenes", "1", "--dry-run") == 2
    assert "fingerprint=" in capsys.readouterr().err
