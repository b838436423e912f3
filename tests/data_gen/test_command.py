"""The command line: what it reports of a data set, of progress and of errors."""

import subprocess
import sys

import numpy as np

from data_gen.command import count_data_set, describe_progress, main, report
from data_gen.data_set import Progress, torn_files
from equigrasp.data.scene_files import failed_path, read_scene, scene_path
from sim.scene.kinds import find_kind


def test_the_report_counts_what_the_files_hold(tmp_path, make):
    progress = make(tmp_path / "d")
    totals = count_data_set(tmp_path / "d")
    records = [read_scene(p) for p in sorted((tmp_path / "d/scenes").iterdir())]
    success = np.concatenate([r.yaw_success for r in records])
    assert (totals.scenes, totals.points, totals.yaws) == (4, 8, 40)
    assert totals.positive_yaws == success.sum()
    assert totals.positive_points == success.any(axis=1).sum()
    text = report(tmp_path / "d", progress)
    assert "4 scenes, 8 grasp points, 1 failed scenes" in text
    assert "build 1.000, render 0.000, propose 0.000, label 1.600" in text


def test_progress_shows_rate_and_time_left():
    progress = Progress(total=100, done=25)
    progress.failed["crash"] = 2
    assert (
        describe_progress(progress, 50.0) == "25/100 scenes, 2 failed, 30 scenes/min, 0:02:30 left"
    )
    assert describe_progress(Progress(total=100), 0.0) == "0/100 scenes"


def test_the_command_line_reports_errors_in_one_line(tmp_path, capsys):
    arguments = ["--scenes", "1", "--out", str(tmp_path), "--grasps-per-scene", "0"]
    assert main(find_kind("pile"), arguments) == 1
    assert capsys.readouterr().err.strip() == (
        "error: grasps_per_scene is 0; it must be at least 1"
    )


def test_an_unknown_hand_gets_the_known_names(tmp_path, capsys):
    arguments = ["--scenes", "1", "--out", str(tmp_path / "d"), "--hand", "claw"]
    assert main(find_kind("pile"), arguments) == 1
    assert "no hand is called 'claw'; give one of panda, robotiq_2f85" in capsys.readouterr().err


def test_the_parent_loads_no_simulator():
    code = (
        "import sys, data_gen.command\n"
        "print(sorted({'pybullet', 'open3d', 'torch', 'trimesh'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "[]\n", result.stderr


def test_torn_scenes_and_notes_are_made_again_by_the_same_command(tmp_path, make, hashes):
    make(tmp_path / "whole", 6)
    make(tmp_path / "torn", 6)
    path = scene_path(tmp_path / "torn", 1)
    path.write_bytes(path.read_bytes()[:200])
    scene_path(tmp_path / "torn", 2).write_bytes(b"")
    failed_path(tmp_path / "torn", 3).write_text("{")
    assert len(torn_files(tmp_path / "torn")) == 3
    again = make(tmp_path / "torn", 6)
    assert again.total == 3
    assert hashes(tmp_path / "torn") == hashes(tmp_path / "whole")


def test_a_scene_that_is_damaged_inside_is_counted_and_the_remedy_is_named(tmp_path, make):
    tmp_path = tmp_path / "data"
    make(tmp_path, 3)
    path = scene_path(tmp_path, 1)
    data = bytearray(path.read_bytes())
    for name in (b"yaw_success.npy", b"yaw_audited.npy"):
        start = data.index(name) + len(name) + 10
        data[start : start + 20] = bytes(20)
    path.write_bytes(bytes(data))
    totals = count_data_set(tmp_path)
    assert (totals.scenes, totals.unreadable) == (2, 1)
    text = report(tmp_path, make(tmp_path, 3))
    assert "1 scene files cannot be read" in text
    assert "--repair" in text
