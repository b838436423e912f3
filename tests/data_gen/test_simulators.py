"""A data set is of one simulator, and says of which."""

import json

import numpy as np
import pytest

from data_gen.command import main
from data_gen.generate import generate_scene
from data_gen.settings import DataDesign, SceneSettings
from equigrasp.data.dataset import GraspSceneDataset
from equigrasp.data.manifest import ManifestError, read_manifest, read_simulator
from sim.scene.kinds import find_kind

PILE = find_kind("pile")
CHEAP = {"grasps_per_scene": 2, "occupancy_points": 6}
IN_MUJOCO = SceneSettings(**CHEAP, simulator="mujoco")


def forget_the_simulator(folder):
    """A manifest as it was when there was one simulator."""
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    del values["settings"]["simulator"]
    path.write_text(json.dumps(values))


def test_a_manifest_names_its_simulator_and_the_version(tmp_path, make):
    make(tmp_path / "d", scenes=1)
    manifest = read_manifest(tmp_path / "d")
    assert manifest.simulator == "pybullet"
    assert set(manifest.packages) == {"numpy", "open3d", "pybullet", "scipy", "trimesh"}


def test_data_sets_of_before_go_on_in_pybullet(tmp_path, make):
    make(tmp_path / "d", scenes=1)
    forget_the_simulator(tmp_path / "d")
    assert read_simulator(tmp_path / "d") == "pybullet"
    make(tmp_path / "d", scenes=2)
    assert len(list(tmp_path.glob("d/scenes/*.npz"))) == 2


@pytest.mark.parametrize("old", [False, True])
def test_a_data_set_is_not_continued_in_another_simulator(tmp_path, make, hashes, old):
    make(tmp_path / "d", scenes=1)
    if old:
        forget_the_simulator(tmp_path / "d")
    before = hashes(tmp_path / "d")
    with pytest.raises(ManifestError, match="simulator: 'pybullet' there, 'mujoco' now"):
        make(tmp_path / "d", scenes=2, settings=IN_MUJOCO)
    assert hashes(tmp_path / "d") == before


def test_training_does_not_mix_them(tmp_path, make):
    make(tmp_path / "d", scenes=3)
    make(tmp_path / "e", scenes=3, settings=IN_MUJOCO)
    assert read_simulator(tmp_path / "e") == "mujoco"
    assert "pybullet" not in read_manifest(tmp_path / "e").packages
    with pytest.raises(ValueError, match=r"d was simulated with pybullet, .*e with mujoco"):
        GraspSceneDataset([tmp_path / "d", tmp_path / "e"])


def test_a_scene_of_mujoco_depends_on_its_seed_alone():
    settings = SceneSettings(**CHEAP, simulator="mujoco", objects="procedural:40")
    design = DataDesign(PILE, 3, settings)
    first, second = (generate_scene(design, 0) for _ in range(2))
    for name in ("depth", "T_world_object", "yaw_success", "yaw_width", "yaw_fate", "occ"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)


def test_the_command_makes_a_data_set_in_mujoco(tmp_path, capsys):
    out = tmp_path / "d"
    options = ["--scenes", "1", "--out", str(out), "--workers", "1", "--grasps-per-scene", "4"]
    options += ["--objects", "procedural:40"]
    assert main(PILE, [*options, "--simulator", "mujoco"]) == 0
    assert read_manifest(out).settings["simulator"] == "mujoco"
    assert main(PILE, options) == 1
    assert "simulator: 'mujoco' there, 'pybullet' now" in capsys.readouterr().err
