"""LeRobot's data sets as takes: the same episodes as from folders."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equigrasp.policy.episodes.files import find_episodes
from equigrasp.policy.record import main

sys.path.insert(0, str(Path(__file__).parents[3]))

from recorded.videos import GREY, LOSSLESS, into_videos

pa = pytest.importorskip("pyarrow", reason="pip install 'equigrasp[pusht]'")
pq = pytest.importorskip("pyarrow.parquet")

COLUMNS = ("observation.images.front", "observation.images.front_depth")
LENGTHS = (8, 6)


def packed(image):
    target = io.BytesIO()
    Image.fromarray(image).save(target, "PNG")
    return {"bytes": target.getvalue(), "path": None}


def frame_rows(robot, lists=False):
    """Rows of two episodes of one camera; the second one stops early."""
    rows = []
    for episode, length in enumerate(LENGTHS):
        for index in range(length):
            rgb, depth = robot.looks(index)["front"]
            pose = robot.frame(index).state.gripper_pose
            rows.append(
                {
                    "observation.state": [*pose, robot.gripper(index)],
                    COLUMNS[0]: packed(rgb),
                    COLUMNS[1]: depth.tolist() if lists else packed(depth),
                    "episode_index": episode,
                    "frame_index": index,
                    "task_index": episode,
                }
            )
    return rows


def write_data_set(root, robot, version="v3.0", lists=False, **features):
    """A data set of either version, its files in the order in which LeRobot writes none."""
    rows = frame_rows(robot, lists)[::-1]
    sentences = ["Take the block!", "leave it"]
    if version == "v3.0":
        files = {
            "data/chunk-000/file-000.parquet": rows[:5],
            "data/chunk-000/file-001.parquet": rows[5:],
        }
    else:
        files = {
            f"data/chunk-000/episode_{e:06d}.parquet": [r for r in rows if r["episode_index"] == e]
            for e in (0, 1)
        }
    for name, own in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(own), root / name)
    (root / "meta").mkdir()
    tasks = [{"task_index": i, "task": sentence} for i, sentence in enumerate(sentences)]
    if version == "v3.0":
        pq.write_table(pa.Table.from_pylist(tasks), root / "meta" / "tasks.parquet")
    else:
        (root / "meta" / "tasks.jsonl").write_text("\n".join(map(json.dumps, tasks)) + "\n")
    image = {"dtype": "image", "shape": [48, 64, 3]}
    shown = dict.fromkeys(COLUMNS, image)
    shown["observation.state"] = {"dtype": "float32", "shape": [8]}
    shown = {name: each for name, each in (shown | features).items() if each is not None}
    told = {"codebase_version": version, "features": shown}
    (root / "meta" / "info.json").write_text(json.dumps(told))
    cameras = {"front": robot.rig.cameras["front"].to_dict()}
    (root / "cameras.json").write_text(json.dumps(cameras))
    return root


@pytest.mark.parametrize(
    ("version", "lists", "videos"),
    [
        ("v3.0", False, {}),
        ("v2.1", False, {}),
        ("v3.0", True, {}),
        ("v3.0", False, {COLUMNS[0]: LOSSLESS}),
        ("v3.0", False, {COLUMNS[0]: LOSSLESS, COLUMNS[1]: GREY}),
        ("v2.1", False, {COLUMNS[0]: LOSSLESS, COLUMNS[1]: GREY}),
    ],
)
def test_episodes_are_those_that_the_robot_showed(robot, tmp_path, capsys, version, lists, videos):
    root = write_data_set(tmp_path / "set", robot, version, lists)
    if videos:
        into_videos(root, videos, version)
    out, marks = tmp_path / "real", tmp_path / "marks.json"
    assert main([str(root), "--out", str(out)]) == 0
    marks.write_text('{"1": [2, 3]}')
    assert main([str(root), "--out", str(out), "--marks", str(marks)]) == 0
    assert "1 episodes made, 1 kept" in capsys.readouterr().out
    left, taken = find_episodes(out)
    assert (left.task, left.descriptions) == ("leave_it", ["leave it"])
    assert (taken.task, taken.descriptions) == ("take_the_block", ["Take the block!"])
    for episode, frames in ((taken, (0, 4, 7)), (left, (0, 2, 3))):
        assert episode.cameras == ("front",)
        for number, frame in enumerate(frames):
            meant = robot.frame(frame)
            pose = meant.state.gripper_pose
            np.testing.assert_allclose(episode.demo[number].gripper_pose, pose, atol=1e-6)
            np.testing.assert_array_equal(episode.rgb("front", number), meant.images["front"].rgb)
            depth = episode.depth("front", number)
            np.testing.assert_allclose(depth, meant.images["front"].depth, atol=1e-6)


def test_one_task_for_all_sentences_and_columns_of_ones_own(robot, tmp_path):
    root = write_data_set(tmp_path / "set", robot)
    for path in (root / "data").glob("*/*.parquet"):
        table = pq.read_table(path)
        names = {COLUMNS[0]: "rgb", COLUMNS[1]: "far", "observation.state": "arm"}
        pq.write_table(table.rename_columns([names.get(n, n) for n in table.column_names]), path)
    told = json.loads((root / "meta" / "info.json").read_text())
    image = {"dtype": "image", "shape": [48, 64, 3]}
    told["features"] = {"rgb": image, "far": image, "arm": {"dtype": "float32", "shape": [8]}}
    (root / "meta" / "info.json").write_text(json.dumps(told))
    arguments = [str(root), "--out", str(tmp_path / "real"), "--task", "blocks"]
    arguments += ["--pose", "arm[0:7]", "--gripper", "arm[7]"]
    arguments += ["--rgb", "front=rgb", "--depth", "front=far"]
    assert main(arguments) == 0
    assert [(e.task, e.number) for e in find_episodes(tmp_path / "real")] == [
        ("blocks", 0),
        ("blocks", 1),
    ]


@pytest.mark.parametrize(
    ("features", "arguments", "message"),
    [
        (
            {COLUMNS[1]: None},
            [],
            "no column observation.images.front_depth for the depth of camera",
        ),
        ({COLUMNS[1]: {"dtype": "video", "shape": [48, 64, 3]}}, [], "not said to be of depth"),
        ({COLUMNS[0]: {"dtype": "video", "shape": [48, 64, 3]}}, [], "tells video_path None"),
        ({"observation.state": None}, [], "the robot's forward kinematics first"),
        ({}, ["--pose", "observation.state[0:7"], "names no column"),
        ({}, ["--pose", "observation.state"], "the tip's pose has shape (8,)"),
        ({}, ["--gripper", "observation.state[0:7]"], "give 1 (open) to 0 (closed)"),
        ({}, ["--rgb", "front"], "give CAMERA=COLUMN"),
    ],
)
def test_what_a_data_set_lacks_is_named(robot, tmp_path, capsys, features, arguments, message):
    root = write_data_set(tmp_path / "set", robot, **features)
    assert main([str(root), "--out", str(tmp_path / "real"), *arguments]) == 1
    assert message in capsys.readouterr().err


def test_marks_and_torn_pictures_are_named(robot, tmp_path, capsys):
    root = write_data_set(tmp_path / "set", robot)
    marks = tmp_path / "marks.json"
    marks.write_text('{"first": [1]}')
    arguments = [str(root), "--out", str(tmp_path / "real"), "--marks", str(marks)]
    assert main(arguments) == 1
    assert "holds no marks" in capsys.readouterr().err
    path = root / "data" / "chunk-000" / "file-001.parquet"
    rows = pq.read_table(path).to_pylist()
    for row in rows:
        row[COLUMNS[1]] = {"bytes": b"PNG", "path": None}
    pq.write_table(pa.Table.from_pylist(rows), path)
    assert main(arguments[:-2]) == 1
    assert "frame 0: camera 'front', observation.images.front_depth" in capsys.readouterr().err
    path.write_bytes(b"PAR1")
    assert main(arguments[:-2]) == 1
    assert "is torn or foreign" in capsys.readouterr().err
