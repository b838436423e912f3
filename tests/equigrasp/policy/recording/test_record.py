"""The command: recordings become a data set, over and over, whatever happened in between."""

import json
import os
import shutil

import numpy as np
import pytest

from equigrasp.policy.episodes.files import find_episodes
from equigrasp.policy.record import main
from equigrasp.policy.recording import convert as converting


@pytest.fixture(scope="module")
def recorded(robot, tmp_path_factory):
    root = tmp_path_factory.mktemp("recorded")
    for task in ("take_block", "take_block", "leave_block"):
        robot.record(root, task)
    return root


@pytest.fixture
def recordings(recorded, tmp_path):
    return shutil.copytree(recorded, tmp_path / "recordings")


def contents(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def changed(take, **entries):
    told = json.loads((take / "episode.json").read_text())
    (take / "episode.json").write_text(json.dumps(told | entries))


def test_a_second_run_makes_nothing_and_a_new_take_is_one_more(recordings, robot, tmp_path, capsys):
    out = tmp_path / "real"
    assert main([str(recordings), "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "take_block/take1: 8 frames, keyframes [4, 7], episode 1" in text
    assert "3 episodes made, 0 kept as they were, 0 takes not usable" in text
    before = contents(out)
    assert main([str(recordings), "--out", str(out)]) == 0
    assert "0 episodes made, 3 kept" in capsys.readouterr().out
    assert contents(out) == before
    os.rename(robot.record(recordings), recordings / "take_block" / "a_take")
    assert main([str(recordings), "--out", str(out)]) == 0
    after = contents(out)
    assert {n: b for n, b in after.items() if n in before and n != converting.RECORD} == {
        n: b for n, b in before.items() if n != converting.RECORD
    }
    assert [e.number for e in find_episodes(out, ["take_block"])] == [0, 1, 2]


def test_a_killed_run_ends_with_the_same_files(recordings, tmp_path, monkeypatch, capsys):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert main([str(recordings), "--out", str(whole)]) == 0
    left = halves / "take_block" / "all_variations" / "episodes" / ".episode0.9.tmp"
    left.mkdir(parents=True)
    calls, write = [], converting.write_json

    def killed(path, content):
        calls.append(path)
        if len(calls) == 2:  # an episode is there, and not yet in the record
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(converting, "write_json", killed)
    assert main([str(recordings), "--out", str(halves)]) == 130
    assert len(find_episodes(halves)) == 1
    monkeypatch.undo()
    assert main([str(recordings), "--out", str(halves)]) == 0
    assert contents(halves) == contents(whole)


def test_marks_and_calibrations_made_later_are_taken_over(recordings, tmp_path, capsys):
    out = tmp_path / "real"
    assert main([str(recordings), "--out", str(out)]) == 0
    changed(recordings / "take_block" / "take1", keyframes=[1, 3, 6])
    cameras = recordings / "leave_block" / "take0" / "cameras.json"
    told = json.loads(cameras.read_text())
    told["front"]["T_world_camera"][2][3] += 0.01
    cameras.write_text(json.dumps(told))
    capsys.readouterr()
    assert main([str(recordings), "--out", str(out)]) == 0
    assert "2 episodes made, 1 kept" in capsys.readouterr().out
    moved, _, marked = find_episodes(out)
    assert marked.keypoints == [1, 2, 3]
    assert moved.camera("front", 0).extrinsics[2, 3] == pytest.approx(0.51)


def test_what_cannot_be_used_is_named_and_the_rest_is_made(recordings, tmp_path, capsys):
    (recordings / "take_block" / "take0" / "front_depth" / "4.png").unlink()
    changed(recordings / "leave_block" / "take0", sentences=[])
    assert main([str(recordings), "--out", str(tmp_path / "real")]) == 1
    said = capsys.readouterr()
    assert "1 episodes made, 0 kept as they were, 2 takes not usable" in said.out
    assert "leave_block/take0: " in said.err
    assert "take_block/take0, frame 4: camera 'front': there is no file" in said.err
    assert "record the take again, or take the frame out" in said.err
    assert len(find_episodes(tmp_path / "real")) == 1


def test_a_gripper_that_never_changes_and_a_world_of_its_own_are_pointed_out(
    recordings, tmp_path, capsys
):
    take = recordings / "leave_block" / "take0"
    told = json.loads((take / "episode.json").read_text())
    changed(take, frames=[{**frame, "gripper_open": 0} for frame in told["frames"]])
    assert main([str(recordings), "--out", str(tmp_path / "real")]) == 0
    out = capsys.readouterr().out
    assert "the gripper never changes in leave_block/take0: no keyframe" in out
    assert "tips reach from [0.45, 0.05, 0.18] to [0.45, 0.05, 0.3] m" in out
    low = "data.cloud.low=[0.3,-0.1,0.03] data.cloud.high=[0.6,0.2,0.45]"
    assert f"{low} data.cloud.table_top=Z model.table_top=Z" in out


def test_an_opening_in_metres_is_divided_by_the_widest(recordings, tmp_path, capsys):
    for take in recordings.glob("*/*"):
        told = json.loads((take / "episode.json").read_text())
        frames = [{**f, "gripper_open": 0.08 * f["gripper_open"]} for f in told["frames"]]
        changed(take, frames=frames)
    assert main([str(recordings), "--out", str(tmp_path / "real"), "--widest", "0.08"]) == 0
    assert {tuple(e.keypoints) for e in find_episodes(tmp_path / "real")} == {(1, 2)}
    states = [[s.gripper_open for s in e.demo] for e in find_episodes(tmp_path / "real")]
    np.testing.assert_array_equal(states, [[1, 0, 0]] * 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "there is no folder nowhere"),
        (["."], "holds no recordings"),
        (["recordings", "--widest", "0"], "--widest is 0.0; give the widest opening in metres"),
        (["recordings", "--out", "other"], "other holds episodes of another origin"),
    ],
)
def test_impossible_requests_are_named(
    recordings, tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "other" / "t" / "all_variations" / "episodes" / "episode0"
    place.mkdir(parents=True)
    (place / "low_dim_obs.pkl").write_bytes(b"")
    assert main(arguments) == 1
    assert message in capsys.readouterr().err
