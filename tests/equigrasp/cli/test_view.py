"""What `equigrasp view` and `plan --view` show: a plan, saved grasps, a scene of a data set."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from equigrasp import viewer
from equigrasp.cli import UNUSABLE
from equigrasp.cli.table import COMMANDS
from equigrasp.data.files import read_json
from equigrasp.data.manifest import Manifest
from equigrasp.data.scene_files import read_scene, write_scene
from equigrasp.data.synthetic import synthetic_scene, write_synthetic_data_set
from equigrasp.exchange import load_grasps, save_grasps
from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA, load_hand
from equigrasp.workspace import Workspace

GRASPS = [Grasp([0.15, 0.15, 0.1], np.diag([1.0, -1.0, -1.0]), 0.05, 0.9)]


@pytest.fixture
def pages(monkeypatch):
    """Arguments of the pages that were opened; each is ended at once, as by Ctrl-C."""
    opened = []

    def browse(moments, port):
        opened.extend(moments)
        return SimpleNamespace(address=f"http://here:{port}", stop=lambda: opened.append("stopped"))

    def end(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr("equigrasp.browser.browse", browse)
    monkeypatch.setattr("equigrasp.cli.page.time.sleep", end)
    monkeypatch.setitem(sys.modules, "viser", sys)
    return opened


@pytest.mark.parametrize("pose", ["", "--pose looks/pose.json"])
def test_a_plan_is_shown_until_the_page_is_ended(typed, pages, pose, capsys):
    typed(COMMANDS["sample"].example)
    line = "equigrasp plan looks/depth.png --camera looks/camera.json --model equigiga_pile --view "
    assert typed(line + pose) == 0
    moment, stopped = pages
    assert (len(moment.grasps) > 0, stopped) == (True, "stopped")
    assert len(moment.planes) == 3
    # the shape lies among what the camera saw, in whichever frame that is
    low, high = moment.points.min(0), moment.points.max(0)
    middle = moment.shape.vertices.mean(0)
    assert ((low < middle) & (middle < high)).all()
    assert "http://here:8080 shows the scene" in capsys.readouterr().out


def test_a_scene_of_a_data_set_is_shown_or_drawn(typed, pages, tmp_path, capsys):
    write_scene(tmp_path / "scene.npz", synthetic_scene(0))
    assert typed("equigrasp view scene.npz --port 9") == 0
    shown, record = pages[0], read_scene(tmp_path / "scene.npz")
    tips = [tuple(grasp.position) for grasp in shown.grasps]
    good = record.grasp_position[record.yaw_success.any(1)]
    np.testing.assert_allclose(tips, good, atol=1e-6)
    assert typed("equigrasp view scene.npz --pictures drawn") == 0
    drawn = tmp_path / "drawn"
    assert {path.name for path in drawn.iterdir()} == {"scene_depth.png", "scene_grasps.png"}
    assert (drawn / "scene_grasps.png").stat().st_size > 10_000
    assert typed("equigrasp view scene.npz --pictures predicted --model equigiga_pile") == 0
    assert (tmp_path / "predicted" / "scene_shape.png").stat().st_size > 10_000
    assert typed("equigrasp view scene.npz --image 99") == UNUSABLE
    assert "this scene has 0 to" in capsys.readouterr().err
    assert typed("equigrasp view scene.npz --model giga_pile") == 0
    predicted = pages[2]
    assert [tuple(grasp.position) for grasp in predicted.grasps] == tips
    assert set(predicted.planes) == {"xy", "xz", "yz"}


def test_a_saved_plan_is_shown_with_its_image(typed, pages, capsys):
    typed(COMMANDS["sample"].example)
    typed(COMMANDS["plan"].example)
    grasps = load_grasps("grasps.json")
    assert typed("equigrasp view grasps.json") == UNUSABLE
    assert "give --depth and --camera" in capsys.readouterr().err
    view = "--depth looks/depth.png --camera looks/camera.json --pose looks/pose.json"
    assert typed(f"equigrasp view grasps.json {view}") == 0
    assert [grasp.score for grasp in pages[0].grasps] == [grasp.score for grasp in grasps]
    assert len(pages[0].points) > 1000
    assert typed(f"equigrasp view grasps.json {view} --pictures drawn") == 0


def test_the_hand_that_is_shown_is_that_of_the_file(typed, pages, tmp_path, capsys):
    typed("equigrasp sample looks")
    view = "--depth looks/depth.png --camera looks/camera.json --pose looks/pose.json"
    save_grasps("grasps.json", GRASPS, hand=load_hand("robotiq_2f85"))
    save_grasps("strange.json", GRASPS, hand=replace(PANDA, name="mine", opening=0.05))
    save_grasps("grasps.npz", GRASPS, hand=load_hand("robotiq_2f85"))
    save_grasps("grasps.yaml", GRASPS)
    Path("mine.yaml").write_text(yaml.safe_dump({**PANDA.to_dict(), "name": "mine"}))
    for name, more in (
        ("grasps.json", ""),
        ("grasps.npz", ""),
        ("grasps.yaml", ""),
        ("grasps.json", "--hand panda"),
        ("strange.json", "--hand mine.yaml"),
        ("grasps.json", "--model giga_pile"),
    ):
        assert typed(f"equigrasp view {name} {view} {more}") == 0
    shown = [page.hand.name for page in pages if page != "stopped"]
    assert shown == ["robotiq_2f85", "robotiq_2f85", "panda", "panda", "mine", "robotiq_2f85"]
    for strange in ("mine", "mine.yaml", "../hand/panda", "", None, ["panda"]):  # no path either
        told = {**read_json("grasps.json"), "hand": strange}
        Path("strange.json").write_text(json.dumps(told))
        assert typed(f"equigrasp view strange.json {view}") == UNUSABLE
        said = capsys.readouterr().err
        assert f"strange.json is for a hand called {strange!r}; name one of panda, " in said


def test_hand_and_workspace_of_a_scene_are_those_of_its_data_set(typed, pages, monkeypatch):
    hand, workspace = load_hand("robotiq_2f85"), Workspace(side=0.4)
    write_synthetic_data_set(Path("made"), 1, seed=0, hand=hand, workspace=workspace)
    of = {"hand": hand.to_dict(), "workspace": {"side": 0.4, "table_height": 0.05}}
    Manifest("synthetic", 0, 1, {}, "geometry", {}, ["box"], **of).write("made")
    (scene,) = Path("made/scenes").iterdir()
    assert typed(f"equigrasp view {scene}") == 0
    assert pages[0].hand.name == hand.name
    assert pages[0].workspace == workspace
    drawn = []
    draw = viewer.draw_grasps
    monkeypatch.setattr(
        "equigrasp.viewer.draw_grasps",
        lambda *of, **told: (drawn.append(told), draw(*of, **told))[1],
    )
    assert typed(f"equigrasp view {scene} --pictures drawn") == 0
    assert [(each["hand"].name, each["workspace"]) for each in drawn] == [(hand.name, workspace)]
