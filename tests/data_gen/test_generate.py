"""The generator: equal files whatever happens to the run, and failures that are recorded."""

import contextlib
import dataclasses
import json
import os
import random
import signal
import time

import numpy as np
import pytest
from scipy.ndimage import minimum_filter

from data_gen.data_set import GenerationError, Resources, generate_data_set
from data_gen.settings import DataDesign, SceneSettings
from equigrasp.data.scene_files import failed_path, read_scene, scene_path
from equigrasp.data.verify import repair, verify
from equigrasp.perception.camera import project
from sim.scene.kinds import find_kind


def test_failures_are_noted_with_their_reason_and_the_rest_is_sound(tmp_path, make):
    seen = []
    progress = make(tmp_path / "d", 12, on_progress=lambda p: seen.append((p.done, p.total)))
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


def test_files_do_not_depend_on_the_number_of_workers_or_on_the_order(
    tmp_path, cheap, make, hashes
):
    make(tmp_path / "a", 12)
    make(tmp_path / "b", 4, resources=dataclasses.replace(cheap, workers=1))
    make(tmp_path / "b", 12, resources=dataclasses.replace(cheap, workers=3))
    assert len(hashes(tmp_path / "a")) == 13
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")


@pytest.mark.parametrize(
    ("kind", "objects"),
    [("packed", "random_urdfs"), ("pile", "random_urdfs"), ("adversarial", "adversarial")],
)
def test_real_scenes_do_not_depend_on_the_worker_either(tmp_path, kind, objects, hashes):
    settings = SceneSettings(
        grasps_per_scene=12, objects=objects, occupancy_points=500, num_objects=3
    )
    design = DataDesign(find_kind(kind), 11, settings)
    for name, parts in (("at once", [(2, 3)]), ("in parts", [(1, 1), (1, 3)])):
        for workers, count in parts:
            generate_data_set(tmp_path / name, design, count, Resources(workers))
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


@pytest.mark.parametrize(
    ("whole_group", "moments"),  # numbers of files that are there
    [(True, (0, 5, 18)), (False, (12, 25))],
)
def test_a_run_killed_at_any_moment_ends_with_the_same_files(
    tmp_path, whole_group, moments, make, start, hashes
):
    scenes, rng = 40, random.Random()
    make(tmp_path / "whole", scenes)
    killed = tmp_path / "killed"
    for wanted in moments:
        process = start(killed, scenes, workers=2, hold=wanted + 9)
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
    make(killed, scenes)
    assert hashes(killed) == hashes(tmp_path / "whole")
    assert verify(killed) == []


def test_leftovers_of_interrupted_writes_are_removed(tmp_path, make, hashes):
    make(tmp_path / "d")
    before = hashes(tmp_path / "d")
    for name in ("scenes/.000001.npz.99.tmp", "failed/.000003.json.99.tmp", ".manifest.json.9.tmp"):
        (tmp_path / "d" / name).write_bytes(b"half")
    make(tmp_path / "d")
    assert hashes(tmp_path / "d") == before


def test_repaired_data_sets_are_completed_with_the_same_files(tmp_path, make, hashes):
    make(tmp_path / "d")
    before = hashes(tmp_path / "d")
    for index in (0, 2):
        path = scene_path(tmp_path / "d", index)
        path.write_bytes(path.read_bytes()[: 100 * index])
    failed_path(tmp_path / "d", 3).write_text("{")
    assert len(repair(verify(tmp_path / "d"))) == 3
    make(tmp_path / "d")
    assert hashes(tmp_path / "d") == before


def test_a_full_disk_ends_the_run_and_is_no_failure_of_a_scene(tmp_path, monkeypatch, make, hashes):
    make(tmp_path / "whole")
    monkeypatch.setenv("CHEAP_DISK_FULL", "1")
    with pytest.raises(GenerationError, match="scene 4: OSError.*No space"):
        make(tmp_path / "d")
    assert not failed_path(tmp_path / "d", 4).exists()
    monkeypatch.delenv("CHEAP_DISK_FULL")
    make(tmp_path / "d")
    assert hashes(tmp_path / "d") == hashes(tmp_path / "whole")


def test_failures_are_final_until_a_retry_is_asked_for(tmp_path, cheap, make):
    make(tmp_path / "d", 8)
    assert make(tmp_path / "d", 8).total == 0
    again = make(tmp_path / "d", 8, resources=dataclasses.replace(cheap, retry_failed=True))
    assert again.total == 2  # the empty scene stays empty
