"""The results table, and what the command line refuses."""

import json

import pytest

from benchmarks.shared import clutter_table as collect
from sim.clutter.figures import figures
from sim.clutter.metrics import summarise
from sim.clutter.protocol import EvalSettings
from sim.clutter.run import public_settings
from sim.clutter_eval import main


def evaluation(folder, crashed=0, **settings):
    options = EvalSettings(**settings)
    attempt = {"success": True, "fate": "SUCCESS", "object": "a", "timings": {"total": 0.1}}
    record = {
        "seed": 0,
        "objects": 2,
        "object_ids": ["a", "b"],
        "attempts": [attempt],
        "lost": [],
        "end": "no_grasp",
    }
    summary = summarise([record], crashed) | {"settings": public_settings(options)}
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps(summary))


def test_every_evaluation_becomes_a_row_without_paths(tmp_path):
    evaluation(tmp_path / "pile_fixed_mine" / "raw", model="/a/b/model", table_rectify=False)
    evaluation(tmp_path / "pile_fixed_early" / "raw", model="model", table_rectify=False)
    evaluation(tmp_path / "packed_fixed_oracle" / "rectified", scene="packed", model="oracle")
    rows = collect.collect(tmp_path)
    assert [name for name, _ in rows] == [
        "packed, fixed view, gamma noise, rectified, test objects: oracle",
        "pile, fixed view, gamma noise, raw, test objects: b",
        "pile, fixed view, gamma noise, raw, test objects: early",
    ]
    text = figures(rows)
    assert "/a/b" not in text
    assert text.count("\n") == 4
    assert "| 100.0 |" in text
    assert "| 50.0 |" in text


def test_lost_rounds_are_told_under_the_table(tmp_path):
    evaluation(tmp_path / "pile_fixed_mine" / "raw", crashed=3)
    evaluation(tmp_path / "packed_fixed_oracle" / "rectified", scene="packed")
    rows = collect.collect(tmp_path)
    table, told = collect.figures_told(rows).split("\n\n")
    assert table == figures(rows)
    assert told.startswith("pile, fixed view, gamma noise")
    assert "3 of 4 rounds were lost" in told


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        collect.collect(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "no_such_model"], "no_such_model"),
        (["--model", "antipodal", "--rounds", "0"], "--rounds 0"),
        (["--model", "antipodal", "--set", "nms_window=4"], "nms_window"),
        (["--model", "antipodal", "--set", "threshold=0.4"], "threshold"),
        (["--model", "antipodal", "--set", "quality_floor=high"], "quality_floor=high"),
    ],
)
def test_unusable_input_is_refused_before_anything_runs(arguments, said, capsys, tmp_path):
    out = tmp_path / "out"
    assert main(["--scene", "pile", "--out", str(out), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_scene_list_must_hold_the_rounds_asked_for(tmp_path, capsys):
    path = tmp_path / "scenes.json"
    path.write_text(json.dumps({"format": 1, "scene": "pile", "rounds": []}))
    arguments = ["--scene", "pile", "--model", "antipodal", "--scene-list", str(path)]
    assert main([*arguments, "--out", str(tmp_path / "out"), "--rounds", "1"]) == 2
    assert "lacks seed, round (0, 0)" in capsys.readouterr().err
