"""`equigrasp view RUN`: a round that an evaluation recorded, played again step by step."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from equigrasp.browser import browse
from equigrasp.cli import UNUSABLE, main
from equigrasp.cli.rounds import find_run, moments_of, play_again
from equigrasp.planner import GraspPlanner
from sim.clutter_eval import main as evaluate

sys.path.insert(0, str(Path(__file__).parents[2]))

from browsing.chromium import Chromium, find_chromium

MODEL = "equigiga_pile"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Folder of an evaluation of one round."""
    folder = tmp_path_factory.mktemp("runs") / "pile"
    words = ["--scene", "pile", "--model", MODEL, "--rounds", "1", "--seeds", "1"]
    words += ["--num-objects", "3", "--workers", "1", "--out", str(folder)]
    assert evaluate(words) == 0
    return folder


@pytest.fixture(scope="module")
def record(run):
    return json.loads((run / "rectified" / "rounds.jsonl").read_text())


@pytest.fixture(scope="module")
def again(run):
    return play_again(run, 0, 0)


def test_every_step_shows_what_the_planner_saw(again, record):
    story, model = again
    assert model == MODEL
    assert len(story.looks) == len(record["attempts"]) > 1
    planner = GraspPlanner.from_pretrained(MODEL)
    for look, attempt in zip(story.looks, record["attempts"], strict=True):
        best = planner.plan(look.depth, look.intrinsics, look.T_world_camera)[0]
        np.testing.assert_allclose(best.T_world_grasp, attempt["pose"], atol=1e-6)
        shown = np.array([grasp.T_world_grasp for grasp in look.plan.grasps])
        np.testing.assert_array_equal(shown[0], attempt["pose"])
        assert (np.abs(shown[1:] - shown[0]).max((1, 2)) > 1e-6).all()  # it is not shown twice
    assert not np.array_equal(story.looks[0].depth, story.after.depth)


def test_a_page_has_a_moment_for_every_step_and_one_for_the_end(again, record):
    moments = moments_of(*again)
    count = len(record["attempts"])
    assert [moment.title.split("**")[1] for moment in moments] == [
        *(f"step {number} of {count}" for number in range(1, count + 1)),
        "the end",
    ]
    assert all(set(moment.planes) == {"xy", "xz", "yz"} for moment in moments[:-1])
    assert moments[-1].grasps == []
    assert f"{record['left']} left" in moments[-1].title
    assert not moments_of(again[0], None)[0].planes


@pytest.mark.skipif(find_chromium() is None, reason="Debian's package chromium is not installed")
def test_a_real_browser_goes_through_the_round(again, record, tmp_path):
    shown = browse(moments_of(*again), port=18125)
    try:
        with Chromium(shown.address, tmp_path) as page:
            page.wait_for_text(f"step 1 of {len(record['attempts'])}")
            before = page.settled()
            page.keep("view_round")
            page.press_in_slider("step", "End")
            page.wait_for_text("the end")
            assert np.abs(page.settled() - before).max(-1).mean() > 0.5
    finally:
        shown.stop()


def test_a_round_is_drawn_without_a_browser(run, tmp_path, capsys):
    assert main(["view", str(run), "--pictures", str(tmp_path)]) == 0
    assert (tmp_path / "seed0_round0.png").stat().st_size > 20_000
    assert main(["view", str(run), "--round", "7", "--pictures", str(tmp_path)]) == UNUSABLE
    assert "no round 7 of seed 0; seed/round are 0/0" in capsys.readouterr().err


def test_a_folder_without_one_evaluation_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no evaluation"):
        find_run(tmp_path)
    for name in ("raw", "rectified"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rounds.jsonl").touch()
    with pytest.raises(ValueError, match="2 evaluations.*name one"):
        find_run(tmp_path)
    assert find_run(tmp_path / "raw") == tmp_path / "raw"


def test_a_scene_of_another_run_is_refused(run, tmp_path):
    told = json.loads((run / "scenes.json").read_text())
    told["rounds"][0]["scene"]["bodies"].pop()
    (tmp_path / "other.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match="holds other objects"):
        play_again(run, 0, 0, tmp_path / "other.json")
