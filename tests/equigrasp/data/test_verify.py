"""Verification: a sound data set has no faults, and every kind of damage is named with its file."""

import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from equigrasp.data.manifest import Manifest, ManifestError, read_manifest
from equigrasp.data.record_faults import record_faults
from equigrasp.data.scene_files import SceneRecord, failed_path, scene_path, write_scene
from equigrasp.data.verify import main, repair, verify
from equigrasp.hand import PANDA
from equigrasp.perception.camera import Intrinsics
from equigrasp.workspace import Workspace

SCENES, FAILED = 4, 2


def make_record(number, **changes):
    rng = np.random.default_rng(number)
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, :3, :3] = Rotation.random(3, random_state=number).as_matrix()
    success = rng.random((5, 5)) < 0.5
    values = {
        "kind": "pile",
        "seed": 7,
        "index": number,
        "labeller": "fast/1",
        "settled": True,
        "view_names": ["fixed"],
        "depth": rng.uniform(0.3, 2.0, (1, 6, 8)).astype("f4"),
        "intrinsics": Intrinsics(8, 6, 7.0, 7.0, 4.0, 3.0),
        "T_world_camera": poses[:1],
        "grasp_position": rng.uniform(0.05, 0.25, (5, 3)).astype("f4"),
        "grasp_rotation": Rotation.random(5, random_state=number).as_matrix().astype("f4"),
        "grasp_source": np.ones(5, "u1"),
        "grasp_visible": np.ones(5, bool),
        "yaw_success": success,
        "yaw_width": np.full((5, 5), 0.04, "f4"),
        "yaw_margin": np.where(
            success, rng.choice([0.0, 0.5, 1.0, np.nan], success.shape), 0.0
        ).astype("f4"),
        "yaw_fate": np.where(success, 0, 2).astype("u1"),
        "yaw_audited": np.zeros((5, 5), bool),
        "object_id": ["a", "b"],
        "object_scale": np.array([0.8, 0.9]),
        "object_mass": rng.uniform(0.1, 2.0, 2),
        "object_friction": np.full(2, np.nan),
        "T_world_object": poses[1:],
        "occ_points": rng.uniform(0.0, 0.3, (6, 3)).astype("f2"),
        "occ": np.ones(6, bool),
    }
    return SceneRecord(**(values | changes))


@pytest.fixture
def data_set(tmp_path):
    """A sound data set of four scenes, the third of which failed."""
    for name in ("scenes", "failed", "logs"):
        (tmp_path / name).mkdir()
    settings = {"grasps_per_scene": 5, "occupancy_points": 6}
    Manifest("pile", 7, SCENES, settings, "fast/1", {}, ["a", "b", "c"]).write(tmp_path)
    for index in range(SCENES):
        if index != FAILED:
            write_scene(scene_path(tmp_path, index), make_record(index))
    failed_path(tmp_path, FAILED).write_text(json.dumps({"index": FAILED, "reason": "empty"}))
    (tmp_path / "logs" / "000002.txt").write_text("a trace")
    (tmp_path / ".lock").touch()
    return tmp_path


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def rename_version(path):
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **(arrays | {"format_version": np.int32(99)}))


def write_foreign_npz(path):
    np.savez(path, a=np.zeros(3))


def write_foreign_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no array")


def write_pickled(path):
    content = io.BytesIO()
    np.save(content, np.array([{}], dtype=object))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("kind.npy", content.getvalue())


def test_a_sound_data_set_has_no_faults(data_set, capsys):
    assert verify(data_set) == []
    assert main([str(data_set)]) == 0
    assert "3 scene files, 0 faults" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (truncate, "torn or foreign"),
        (flip_a_bit, "torn or foreign"),
        (lambda path: path.write_bytes(b""), "torn or foreign"),
        (rename_version, "format version 99"),
        (write_foreign_npz, "format_version is missing"),
        (write_foreign_zip, "torn or foreign"),
        (write_pickled, "torn or foreign"),
    ],
)
def test_damaged_files_are_named_and_repaired(data_set, damage, said, capsys):
    path = scene_path(data_set, 1)
    damage(path)
    faults = verify(data_set)
    assert [fault.path for fault in faults] == [path]
    assert said in faults[0].reason

    assert main([str(data_set), "--repair"]) == 1
    assert f"{path}: " in capsys.readouterr().out
    assert not path.exists()
    faults = verify(data_set)
    assert len(faults) == 1
    assert "1 of 4 scenes are missing, the first is 000001" in faults[0].reason
    write_scene(path, make_record(1))
    assert verify(data_set) == []


def grasp_rotations(change):
    rotations = make_record(1).grasp_rotation.copy()
    change(rotations)
    return rotations


def scale_one(rotations):
    rotations[2] *= 1.01


def mirror_one(rotations):
    rotations[2, :, 0] *= -1


def spoil_one(rotations):
    rotations[2, 0, 0] = np.nan


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"grasp_rotation": grasp_rotations(scale_one)}, "not a rotation"),
        ({"grasp_rotation": grasp_rotations(mirror_one)}, "not a rotation"),
        ({"grasp_rotation": grasp_rotations(spoil_one)}, "not finite"),
        ({"T_world_camera": 2 * np.eye(4)[None]}, "T_world_camera holds a matrix"),
        ({"T_world_object": np.zeros((2, 4, 4))}, "T_world_object holds a matrix"),
        ({"grasp_position": np.full((5, 3), 0.5, "f4")}, "grasp_position leaves"),
        ({"grasp_position": np.full((5, 3), np.inf, "f4")}, "not finite"),
        ({"yaw_width": np.full((5, 5), 0.09, "f4")}, "yaw_width"),
        ({"yaw_width": np.full((5, 5), -0.01, "f4")}, "yaw_width"),
        ({"yaw_fate": np.full((5, 5), 9, "u1")}, "yaw_fate exceeds"),
        ({"yaw_success": np.ones((5, 5), bool)}, "contradicts"),
        ({"grasp_source": np.full(5, 3, "u1")}, "grasp_source"),
        ({"object_scale": np.zeros(2)}, "object_scale"),
        ({"object_id": ["a", "stranger"]}, "'stranger', which is not in the manifest"),
        ({"occ_points": np.full((6, 3), 0.4, "f2")}, "occ_points"),
        ({"depth": np.zeros((1, 6, 8), "f4")}, "depth image is empty"),
        ({"intrinsics": Intrinsics(8, 6, -7.0, 7.0, 4.0, 3.0)}, "focal lengths"),
        ({"index": 3}, "index is 3, expected 1"),
        ({"kind": "packed"}, "kind is 'packed'"),
        ({"kind": "a pile"}, "which is no word"),
        ({"seed": 8}, "seed is 8, expected 7"),
        ({"labeller": "other"}, "labeller is 'other'"),
        ({"occ_points": np.zeros((7, 3), "f2"), "occ": np.ones(7, bool)}, "7 occupancy points"),
    ],
)
def test_values_out_of_range_are_named(data_set, changes, said):
    write_scene(scene_path(data_set, 1), make_record(1, **changes))
    faults = verify(data_set)
    assert {fault.path for fault in faults} == {scene_path(data_set, 1)}
    assert any(said in fault.reason for fault in faults)


def test_grasps_beyond_the_settings_and_none_at_all_are_faults(data_set):
    few = make_record(1)
    names = [f.name for f in dataclasses.fields(few) if f.name.startswith(("grasp_", "yaw_"))]
    for count, said in ((0, "holds 0 grasps"), (10, "holds 10 grasps")):
        changes = {n: np.concatenate([getattr(few, n)] * 2)[:count] for n in names}
        write_scene(scene_path(data_set, 1), make_record(1, **changes))
        assert any(said in fault.reason for fault in verify(data_set))


def test_copies_are_found(data_set):
    write_scene(scene_path(data_set, 3), make_record(1, index=3))
    faults = verify(data_set)
    assert [str(f) for f in faults] == [
        f"{scene_path(data_set, 3)}: holds the same scene as 000001.npz"
    ]


def test_foreign_and_left_over_files_are_named_but_only_ours_are_removed(data_set):
    (data_set / "notes.txt").touch()
    (data_set / "scenes" / "7.npz").touch()
    (data_set / "scenes" / ".000001.npz.77.tmp").touch()
    faults = verify(data_set)
    assert {(f.path.name, f.removable) for f in faults} == {
        ("notes.txt", False),
        ("7.npz", False),
        (".000001.npz.77.tmp", True),
    }
    assert [p.name for p in repair(faults)] == [".000001.npz.77.tmp"]
    assert (data_set / "notes.txt").exists()


def test_missing_surplus_and_contradictory_scenes_are_named(data_set):
    scene_path(data_set, 0).unlink()
    write_scene(scene_path(data_set, 9), make_record(9))
    write_scene(scene_path(data_set, FAILED), make_record(FAILED))
    reasons = {f.path.name: f.reason for f in verify(data_set)}
    assert "1 of 4 scenes are missing, the first is 000000" in reasons[data_set.name]
    assert "knows only 4 scenes" in reasons["000009.npz"]
    assert "the scene exists" in reasons["000002.json"]


def test_torn_notes_are_named_and_removed(data_set):
    failed_path(data_set, FAILED).write_text('{"index": ')
    faults = verify(data_set)
    assert repair(faults) == [failed_path(data_set, FAILED)]
    assert any("scenes are missing" in f.reason for f in verify(data_set))


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"format_version": 1}', '{"format_version": 3}', "\xff"]
)
def test_torn_manifests_are_named_and_scenes_checked_all_the_same(data_set, text):
    (data_set / "manifest.json").write_bytes(text.encode("latin1"))
    truncate(scene_path(data_set, 1))
    assert {f.path.name for f in verify(data_set)} == {"manifest.json", "000001.npz"}


def test_manifests_with_values_of_the_wrong_type_are_refused(data_set):
    values = json.loads((data_set / "manifest.json").read_text())
    (data_set / "manifest.json").write_text(json.dumps(values | {"scenes": "4"}))
    with pytest.raises(ManifestError, match="scenes is '4'"):
        read_manifest(data_set)


def test_no_folder_is_a_fault(tmp_path):
    assert "does not exist" in verify(tmp_path / "nothing")[0].reason


def test_sound_records_have_no_faults_and_the_margins_are_respected():
    tip = np.full((5, 3), -0.049, "f4")  # a root inside, its tip one finger depth outside
    wall = np.full((6, 3), 0.3, "f2")  # in half precision 0.30005
    assert record_faults(make_record(0, grasp_position=tip, occ_points=wall)) == []


def test_margins_are_shares_and_belong_to_successes():
    record = make_record(0)
    failed = record.yaw_margin.copy()
    failed[np.unravel_index(np.argmin(record.yaw_success), failed.shape)] = 0.5
    for margin in (failed, np.full_like(failed, 1.5)):
        (fault,) = record_faults(dataclasses.replace(record, yaw_margin=margin))
        assert "yaw_margin" in fault
    (fault,) = record_faults(dataclasses.replace(record, object_mass=np.array([0.0, np.nan])))
    assert fault == "object_mass is no size"


def test_limits_are_those_of_the_hand_and_the_workspace():
    wide = make_record(0, yaw_width=np.full((5, 5), 0.095, "f4"))
    far = make_record(0, occ_points=np.full((6, 3), 0.45, "f2"))
    assert record_faults(wide) == ["yaw_width is out of range"]
    assert record_faults(far) == ["occ_points leave the workspace"]
    assert record_faults(wide, dataclasses.replace(PANDA, opening=0.1)) == []
    assert record_faults(far, workspace=Workspace(side=0.5)) == []
