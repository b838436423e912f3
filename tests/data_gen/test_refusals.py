"""Runs that the generator refuses, each with its cause and without touching a file."""

import os
import signal
import time
from dataclasses import replace

import pytest

from data_gen import data_set
from data_gen.data_set import GenerationError, Resources, generate_data_set
from data_gen.settings import DataDesign, SceneSettings
from equigrasp.data.manifest import ManifestError
from equigrasp.hand import PANDA
from sim.scene.kinds import find_kind

WIDE = replace(PANDA, name="wide", opening=0.12)


def test_a_second_run_on_the_same_folder_is_refused(tmp_path, make, start):
    first = start(tmp_path / "d", 400, workers=1, hold=2)
    while not list(tmp_path.glob("d/scenes/*.npz")):
        assert first.poll() is None
        time.sleep(0.02)
    with pytest.raises(ManifestError, match="another run is working"):
        make(tmp_path / "d", scenes=400)
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
        ({"hand": WIDE}, "hand: 'panda' there, 'wide' now"),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path, changes, said, make, hashes):
    make(tmp_path / "d")
    before = hashes(tmp_path / "d")
    with pytest.raises(ManifestError, match=said):
        make(tmp_path / "d", **changes)
    assert hashes(tmp_path / "d") == before


def test_other_objects_and_other_packages_are_refused(tmp_path, monkeypatch, make):
    make(tmp_path / "d", scenes=1)
    monkeypatch.setenv("CHEAP_OBJECTS", "a,z")
    with pytest.raises(ManifestError, match="1 no longer there, 1 new, for example 'b'"):
        make(tmp_path / "d", scenes=1)
    monkeypatch.delenv("CHEAP_OBJECTS")
    monkeypatch.setattr(data_set, "package_versions", lambda simulator: {"numpy": "0"})
    with pytest.raises(ManifestError, match="numpy: '.*' there, '0' now"):
        make(tmp_path / "d", scenes=1)


def test_folders_with_other_things_are_left_alone(tmp_path, make):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "thesis.tex").touch()
    with pytest.raises(ManifestError, match="choose a new --out"):
        make(tmp_path / "d")
    assert [p.name for p in (tmp_path / "d").iterdir()] == ["thesis.tex"]


def test_objects_that_cannot_be_loaded_are_reported(tmp_path, make):
    with pytest.raises(GenerationError, match="objects and hand cannot be loaded.*no_such_set"):
        make(tmp_path / "d", resources=Resources(), settings=SceneSettings(objects="no_such_set"))


def test_a_hand_without_its_files_is_reported_before_the_first_scene(tmp_path, make):
    hand = replace(PANDA, name="lost", palm_mesh=str(tmp_path / "nowhere.obj"))
    with pytest.raises(GenerationError, match="nowhere.obj' of the hand 'lost' cannot be read"):
        make(tmp_path / "d", resources=Resources(), hand=hand)


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


@pytest.mark.parametrize(("seed", "scenes", "said"), [(-1, 1, "seed is -1"), (0, 0, "scenes is 0")])
def test_impossible_runs_are_refused(tmp_path, seed, scenes, said):
    with pytest.raises(ValueError, match=said):
        generate_data_set(tmp_path, DataDesign(find_kind("pile"), seed), scenes)
