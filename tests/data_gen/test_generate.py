"""The generator: equal files whatever happens to the run, and failures that are recorded."""

import contextlib
import dataclasses
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from scipy.ndimage import minimum_filter

from data_gen import data_set
from data_gen.command import count_data_set, describe_progress, main, report
from data_gen.data_set import GenerationError, Progress, Resources, generate_data_set
from data_gen.generate import STREAMS, occupancy_points, scene_streams
from data_gen.settings import SceneSettings
from equigrasp.data.manifest import ManifestError
from equigrasp.data.scene_files import failed_path, read_scene, scene_path
from equigrasp.data.verify import verify
from equigrasp.perception.camera import project

CHEAP_OBJECTS = """
    import os

    def describe(kind, settings):
        ids = os.environ.get("CHEAP_OBJECTS", "a,b").split(",")
        return {"object_ids": ids, "faults": [("c.obj", "is open")], "labeller": "cheap/1"}
"""
CHEAP = """
    import os, time
    import numpy as np
    from data_gen.generate import scene_streams
    from equigrasp.data.scene_files import SceneRecord, scene_path, write_scene
    from equigrasp.perception.camera import Intrinsics

    def make(directory, kind, seed, index, settings, objects_hash):
        if index == 3:
            return {"stages": {"build": 1.0}, "empty": "nothing stayed"}
        if index == 5:
            os.abort()
        if index == 7:
            raise ValueError("a broken mesh")
        if index == 4 and os.environ.get("CHEAP_DISK_FULL"):
            raise OSError(28, "No space left on device")
        time.sleep(0.02)
        rng = scene_streams(seed, index)["build"]
        T = np.eye(4)
        T[:3, 3] = rng.random(3)
        success = rng.random((2, 5)) < 0.3
        write_scene(scene_path(directory, index), SceneRecord(
            kind=kind, seed=seed, index=index, labeller="cheap/1", settled=True,
            view_names=["fixed"], depth=rng.uniform(0.3, 2.0, (1, 60, 80)),
            intrinsics=Intrinsics(80, 60, 70.0, 70.0, 40.0, 30.0), T_world_camera=T[None],
            grasp_position=rng.uniform(0.1, 0.2, (2, 3)), grasp_rotation=np.stack([np.eye(3)] * 2),
            grasp_source=np.zeros(2), grasp_visible=np.ones(2, bool), yaw_success=success,
            yaw_width=np.full((2, 5), 0.04), yaw_fate=np.where(success, 0, 1),
            yaw_audited=np.zeros((2, 5), bool), object_id=["a"], object_scale=np.ones(1),
            T_world_object=T[None], occ_points=rng.uniform(0, 0.3, (6, 3)), occ=np.ones(6, bool)))
        return {"stages": {"build": 1.0, "label": 2.0}, "empty": None}
"""
SETTINGS = SceneSettings(grasps_per_scene=2, occupancy_points=6)
DRIVER = """
    import sys
    from data_gen.data_set import Resources, generate_data_set
    from data_gen.settings import SceneSettings
    generate_data_set(
        sys.argv[1], "pile", 4, int(sys.argv[2]),
        SceneSettings(grasps_per_scene=2, occupancy_points=6),
        Resources(
            int(sys.argv[3]), 20.0, make_scene="cheap:make", describe="cheap_objects:describe"))
"""


@pytest.fixture
def cheap(tmp_path, monkeypatch):
    """Resources for scenes that cost nothing; scenes 3, 5 and 7 fail, each in its own way."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "cheap.py").write_text(textwrap.dedent(CHEAP))
    (folder / "cheap_objects.py").write_text(textwrap.dedent(CHEAP_OBJECTS))
    (folder / "driver.py").write_text(textwrap.dedent(DRIVER))
    monkeypatch.syspath_prepend(folder)
    return Resources(2, 20.0, make_scene="cheap:make", describe="cheap_objects:describe")


def hashes(directory):
    """Relative path -> hash of every file of a data set, without lock and logs."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != ".lock" and path.parent.name != "logs"
    }


def make(directory, resources, scenes=5, seed=4, settings=SETTINGS, **options):
    return generate_data_set(directory, "pile", seed, scenes, settings, resources, **options)


def test_failures_are_noted_with_their_reason_and_the_rest_is_sound(tmp_path, cheap):
    seen = []
    progress = make(tmp_path / "d", cheap, 12, on_progress=lambda p: seen.append((p.done, p.total)))
    notes = {p.stem: json.loads(p.read_text()) for p in (tmp_path / "d/failed").iterdir()}
    assert {key: note["reason"] for key, note in notes.items()} == {
        "000003": "empty",
        "000005": "crash",
        "000007": "exception",
    }
    assert notes["000003"]["message"] == "nothing stayed"
    assert "SIGABRT" in notes["000005"]["message"]
    assert notes["000007"] == {
        "index": 7,
        "kind": "pile",
        "message": "ValueError: a broken mesh",
        "reason": "exception",
        "seed": 4,
    }
    assert "cheap.py" in (tmp_path / "d/logs/000007.txt").read_text()
    assert verify(tmp_path / "d") == []
    assert seen == [(i, 12) for i in range(13)]
    assert progress.failed == {"empty": 1, "crash": 1, "exception": 1}
    assert progress.stages == {"build": 10.0, "label": 18.0}
    assert progress.skipped_objects == [("c.obj", "is open")]


def test_files_do_not_depend_on_the_number_of_workers_or_on_the_order(tmp_path, cheap):
    make(tmp_path / "a", cheap, 12)
    make(tmp_path / "b", dataclasses.replace(cheap, workers=1), 4)
    make(tmp_path / "b", dataclasses.replace(cheap, workers=3), 12)
    assert len(hashes(tmp_path / "a")) == 13
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")


@pytest.mark.parametrize("kind", ["packed", "pile"])
def test_real_scenes_do_not_depend_on_the_worker_either(tmp_path, kind):
    settings = SceneSettings(
        grasps_per_scene=12, objects="random_urdfs", occupancy_points=500, num_objects=3
    )
    for name, parts in (("at once", [(2, 3)]), ("in parts", [(1, 1), (1, 3)])):
        for workers, scenes in parts:
            generate_data_set(tmp_path / name, kind, 11, scenes, settings, Resources(workers))
    assert hashes(tmp_path / "at once") == hashes(tmp_path / "in parts")
    assert verify(tmp_path / "at once") == []
    records = [read_scene(path) for path in sorted((tmp_path / "at once/scenes").iterdir())]
    assert len(records) == 3
    for record in records:
        assert record.view_names == ["fixed", "random0"]
        assert record.depth.shape == (2, 480, 640)
        assert_hidden_behind_what_is_seen(record)


def assert_hidden_behind_what_is_seen(record):
    """Points inside objects lie behind the surface in every view, up to a pixel's neighbours."""
    inside = record.occ_points[record.occ].astype(float)
    assert len(inside)
    for depth, T in zip(record.depth, record.T_world_camera, strict=True):
        u, v, z = project(inside, record.intrinsics, T).T
        nearest = minimum_filter(depth, size=3)[np.rint(v).astype(int), np.rint(u).astype(int)]
        assert (z > nearest - 1e-3).all()
        assert (nearest < z + 0.15).all()  # an object, not the background


def start(directory, scenes, workers):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.Popen(
        [sys.executable, "-m", "driver", str(directory), str(scenes), str(workers)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("whole_group", "moments"),  # numbers of files that are there
    [(True, (0, 5, 18)), (False, (12, 25))],
)
def test_a_run_killed_at_any_moment_ends_with_the_same_files(tmp_path, cheap, whole_group, moments):
    scenes, rng = 40, random.Random()
    make(tmp_path / "whole", cheap, scenes)
    killed = tmp_path / "killed"
    for wanted in moments:
        process = start(killed, scenes, workers=2)
        while len(list(killed.glob("scenes/*.npz"))) < wanted:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.001)
        time.sleep(rng.uniform(0.0, 0.05 if wanted else 1.0))
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
        process.communicate()
        for path in killed.glob("scenes/*.npz"):
            read_scene(path)  # whole, or absent
    assert len(list(killed.glob("scenes/*.npz"))) < scenes - 3
    make(killed, cheap, scenes)
    assert hashes(killed) == hashes(tmp_path / "whole")
    assert verify(killed) == []


def test_leftovers_of_interrupted_writes_are_removed(tmp_path, cheap):
    make(tmp_path / "d", cheap)
    before = hashes(tmp_path / "d")
    for name in ("scenes/.000001.npz.99.tmp", "failed/.000003.json.99.tmp", ".manifest.json.9.tmp"):
        (tmp_path / "d" / name).write_bytes(b"half")
    make(tmp_path / "d", cheap)
    assert hashes(tmp_path / "d") == before


def test_repaired_data_sets_are_completed_with_the_same_files(tmp_path, cheap):
    from equigrasp.data.verify import repair

    make(tmp_path / "d", cheap)
    before = hashes(tmp_path / "d")
    for index in (0, 2):
        path = scene_path(tmp_path / "d", index)
        path.write_bytes(path.read_bytes()[: 100 * index])
    failed_path(tmp_path / "d", 3).write_text("{")
    assert len(repair(verify(tmp_path / "d"))) == 3
    make(tmp_path / "d", cheap)
    assert hashes(tmp_path / "d") == before


def test_a_second_run_on_the_same_folder_is_refused(tmp_path, cheap):
    first = start(tmp_path / "d", 400, workers=1)
    while not list(tmp_path.glob("d/scenes/*.npz")):
        assert first.poll() is None
        time.sleep(0.02)
    with pytest.raises(ManifestError, match="another run is working"):
        make(tmp_path / "d", cheap, scenes=400)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": 5}, "seed: 4 there, 5 now"),
        (
            {"settings": SceneSettings(grasps_per_scene=2, occupancy_points=8)},
            "occupancy_points: 6 there, 8 now",
        ),
        ({"scenes": 4}, "give --scenes 5"),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path, cheap, changes, said):
    make(tmp_path / "d", cheap)
    before = hashes(tmp_path / "d")
    with pytest.raises(ManifestError, match=said):
        make(tmp_path / "d", cheap, **changes)
    assert hashes(tmp_path / "d") == before


def test_other_objects_and_other_packages_are_refused(tmp_path, cheap, monkeypatch):
    make(tmp_path / "d", cheap, scenes=1)
    monkeypatch.setenv("CHEAP_OBJECTS", "a,z")
    with pytest.raises(ManifestError, match="1 no longer there, 1 new, for example 'b'"):
        make(tmp_path / "d", cheap, scenes=1)
    monkeypatch.delenv("CHEAP_OBJECTS")
    monkeypatch.setattr(data_set, "package_versions", lambda: {"numpy": "0"})
    with pytest.raises(ManifestError, match="numpy: '.*' there, '0' now"):
        make(tmp_path / "d", cheap, scenes=1)


def test_folders_with_other_things_are_left_alone(tmp_path, cheap):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "thesis.tex").touch()
    with pytest.raises(ManifestError, match="choose a new --out"):
        make(tmp_path / "d", cheap)
    assert [p.name for p in (tmp_path / "d").iterdir()] == ["thesis.tex"]


def test_a_full_disk_ends_the_run_and_is_no_failure_of_a_scene(tmp_path, cheap, monkeypatch):
    make(tmp_path / "whole", cheap)
    monkeypatch.setenv("CHEAP_DISK_FULL", "1")
    with pytest.raises(GenerationError, match="scene 4: OSError.*No space"):
        make(tmp_path / "d", cheap)
    assert not failed_path(tmp_path / "d", 4).exists()
    monkeypatch.delenv("CHEAP_DISK_FULL")
    make(tmp_path / "d", cheap)
    assert hashes(tmp_path / "d") == hashes(tmp_path / "whole")


def test_failures_are_final_until_a_retry_is_asked_for(tmp_path, cheap):
    make(tmp_path / "d", cheap, 8)
    assert make(tmp_path / "d", cheap, 8).total == 0
    again = make(tmp_path / "d", dataclasses.replace(cheap, retry_failed=True), 8)
    assert again.total == 2  # the empty scene stays empty


def test_objects_that_cannot_be_loaded_are_reported(tmp_path, cheap):
    with pytest.raises(GenerationError, match="objects cannot be loaded.*no_such_set"):
        make(tmp_path / "d", Resources(), settings=SceneSettings(objects="no_such_set"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"grasps_per_scene": 0}, "grasps_per_scene is 0"),
        ({"view": "top"}, "view is 'top'"),
        ({"labeller": "slow"}, "fast, reference"),
        ({"split": "dev"}, "split is 'dev'"),
        ({"audit": 1.5}, "audit is 1.5"),
        ({"num_objects": 0}, "num_objects is 0"),
    ],
)
def test_impossible_settings_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        SceneSettings(**changes)


@pytest.mark.parametrize(
    ("kind", "seed", "scenes"), [("bin", 0, 1), ("pile", -1, 1), ("pile", 0, 0)]
)
def test_impossible_runs_are_refused(tmp_path, kind, seed, scenes):
    with pytest.raises(ValueError, match=f"kind='{kind}', seed={seed}, scenes={scenes}"):
        generate_data_set(tmp_path, kind, seed, scenes, SETTINGS)


def test_streams_of_scenes_and_stages_are_independent():
    draws = {
        (seed, index, name): tuple(stream.integers(2**63, size=2).tolist())
        for seed in (0, 1)
        for index in (0, 1, 2)
        for name, stream in scene_streams(seed, index).items()
    }
    assert len(set(draws.values())) == 2 * 3 * len(STREAMS)
    again = scene_streams(1, 2)["label"].integers(2**63, size=2)
    assert draws[1, 2, "label"] == tuple(again.tolist())


class Boxes:
    """Two boxes near a wall of the workspace."""

    def __len__(self):
        return 2

    def bounds(self, body):
        return np.array(
            [[[0.01, 0.1, 0.05], [0.05, 0.15, 0.1]], [[0.1, 0.1, 0.05], [0.2, 0.2, 0.12]]]
        )[body]


def test_occupancy_points_are_half_near_the_objects_and_half_anywhere():
    points = occupancy_points(Boxes(), 4001, np.random.default_rng(0))
    assert points.dtype == np.float16
    assert points.shape == (4001, 3)
    near, anywhere = points[:2000].astype(float), points[2000:].astype(float)
    np.testing.assert_allclose(near.min(axis=0), [0.0, 0.08, 0.03], atol=1e-3)
    np.testing.assert_allclose(near.max(axis=0), [0.22, 0.22, 0.14], atol=1e-3)
    np.testing.assert_allclose(anywhere.min(axis=0), 0.0, atol=1e-3)
    np.testing.assert_allclose(anywhere.max(axis=0), 0.3, atol=1e-3)


def test_the_report_counts_what_the_files_hold(tmp_path, cheap):
    progress = make(tmp_path / "d", cheap)
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
    assert main("pile", "Make piles.", arguments) == 1
    assert capsys.readouterr().err.strip() == (
        "error: grasps_per_scene is 0; it must be at least 1"
    )


def test_the_parent_loads_no_simulator():
    code = (
        "import sys, data_gen.command\n"
        "print(sorted({'pybullet', 'open3d', 'torch', 'trimesh'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "[]\n", result.stderr
