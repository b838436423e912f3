"""Scene files: round trips, equal bytes, atomic appearance, and refusal of damaged files."""

import contextlib
import dataclasses
import io
import os
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.data.files import ArrayFileError, pack_arrays, read_arrays
from equigrasp.data.scene_files import (
    DEPTH_UNIT,
    SCHEMA,
    SceneFileError,
    SceneRecord,
    array_faults,
    decode_depth,
    encode_depth,
    read_scene,
    write_scene,
)
from equigrasp.perception.camera import Intrinsics


def make_record(seed=0, grasps=4, objects=2, points=6, views=2, **changes):
    """A random record whose values are all in range."""
    rng = np.random.default_rng(seed)
    k = Intrinsics(8, 6, 7.0, 7.0, 4.0, 3.0)
    poses = np.tile(np.eye(4), (views + objects, 1, 1))
    poses[:, :3, :3] = Rotation.random(views + objects, random_state=seed).as_matrix()
    poses[:, :3, 3] = rng.uniform(0.05, 0.25, (views + objects, 3))
    rotations = Rotation.random(grasps, random_state=seed + 1).as_matrix() if grasps else None
    success = rng.random((grasps, 5)) < 0.5
    values = {
        "kind": "pile",
        "seed": 7,
        "index": seed,
        "labeller": "fast/restore/1",
        "settled": True,
        "view_names": ["fixed", "random0", "random1"][:views],
        "depth": np.rint(rng.uniform(0.3, 2.0, (views, 6, 8)) / DEPTH_UNIT).astype("u2")
        * np.float32(DEPTH_UNIT),
        "intrinsics": k,
        "T_world_camera": poses[:views],
        "grasp_position": rng.uniform(0.05, 0.25, (grasps, 3)).astype("f4"),
        "grasp_rotation": np.zeros((0, 3, 3), "f4")
        if rotations is None
        else rotations.astype("f4"),
        "grasp_source": rng.integers(0, 2, grasps).astype("u1"),
        "grasp_visible": rng.random(grasps) < 0.5,
        "yaw_success": success,
        "yaw_width": rng.uniform(0.01, 0.07, (grasps, 5)).astype("f4"),
        "yaw_margin": np.where(
            success, rng.choice([0.0, 0.5, 1.0, np.nan], success.shape), 0.0
        ).astype("f4"),
        "yaw_fate": np.where(success, 0, 2).astype("u1"),
        "yaw_audited": np.zeros((grasps, 5), bool),
        "object_id": [f"set/object-{i}" for i in range(objects)],
        "object_scale": rng.uniform(0.8, 1.0, objects),
        "object_mass": rng.uniform(0.1, 2.0, objects),
        "object_friction": np.full(objects, np.nan),
        "T_world_object": poses[views:],
        "occ_points": rng.uniform(0.0, 0.3, (points, 3)).astype("f2"),
        "occ": rng.random(points) < 0.5,
    }
    return SceneRecord(**(values | changes))


def assert_equal(a, b):
    for field in dataclasses.fields(SceneRecord):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, np.ndarray):
            assert x.dtype == y.dtype, field.name
            np.testing.assert_array_equal(x, y, err_msg=field.name)
        else:
            assert x == y, field.name


@given(
    seed=st.integers(0, 2**31 - 2),
    grasps=st.integers(0, 5),
    objects=st.integers(0, 3),
    points=st.integers(0, 9),
    views=st.integers(1, 3),
)
def test_round_trip_keeps_everything(tmp_path_factory, seed, grasps, objects, points, views):
    path = tmp_path_factory.mktemp("scene") / "s.npz"
    record = make_record(seed, grasps, objects, points, views)
    write_scene(path, record)
    assert_equal(read_scene(path), record)


def test_numpy_reads_the_file_without_pickle(tmp_path):
    write_scene(tmp_path / "s.npz", make_record())
    with np.load(tmp_path / "s.npz", allow_pickle=False) as archive:
        assert set(archive.files) == set(SCHEMA)
        assert archive["kind"] == "pile"


def test_equal_records_give_equal_bytes_at_any_time(tmp_path, monkeypatch):
    write_scene(tmp_path / "a.npz", make_record())
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: pytest.fail("the clock was asked"))
    write_scene(tmp_path / "b.npz", make_record())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    write_scene(tmp_path / "c.npz", make_record(seed=1))
    assert (tmp_path / "a.npz").read_bytes() != (tmp_path / "c.npz").read_bytes()


@given(st.lists(st.floats(0.0, 3.27), min_size=1, max_size=20))
def test_depth_is_exact_to_half_a_step(values):
    depth = np.array(values, np.float32).reshape(1, 1, -1)
    back = decode_depth(encode_depth(depth))
    assert back.dtype == np.float32
    assert np.abs(back - depth).max() <= DEPTH_UNIT / 2 + 3.3 * np.finfo(np.float32).eps


def test_missing_readings_are_zero_and_impossible_ones_refused():
    steps = encode_depth(np.array([[[np.nan, np.inf, 0.0, 1.0]]], np.float32))
    assert steps.ravel().tolist() == [0, 0, 0, round(1 / DEPTH_UNIT)]
    for wrong in (-0.1, 3.3):
        with pytest.raises(ValueError, match="clip the image"):
            encode_depth(np.array([[[1.0, wrong]]]))


def test_a_failed_write_leaves_the_old_file_and_no_remains(tmp_path, monkeypatch):
    path = tmp_path / "s.npz"
    write_scene(path, make_record())
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_scene(path, make_record(seed=1))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["s.npz"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"grasp_position": np.zeros((3, 3), "f4")}, "'grasp_rotation' has shape"),
        ({"occ": np.zeros(5, bool)}, "'occ' has shape"),
        ({"T_world_camera": np.zeros((2, 3, 4))}, "'T_world_camera' has shape"),
        ({"format_version": 3}, "format version 3; this program reads version 2"),
    ],
)
def test_misshapen_records_are_not_written(tmp_path, changes, said):
    with pytest.raises(ValueError, match=said):
        write_scene(tmp_path / "s.npz", make_record(**changes))
    assert not list(tmp_path.iterdir())


def test_files_of_the_first_version_are_read_with_what_they_lack_unknown(tmp_path):
    record = make_record(grasps=3)
    write_scene(tmp_path / "new.npz", record)
    arrays = read_arrays(tmp_path / "new.npz")
    for name in ("yaw_margin", "object_mass", "object_friction"):
        del arrays[name]
    arrays["format_version"] = np.array(1, "i4")
    (tmp_path / "old.npz").write_bytes(pack_arrays(arrays))
    old = read_scene(tmp_path / "old.npz")
    assert old.yaw_margin.shape == (3, 5)
    assert np.isnan(old.yaw_margin).all()
    assert np.isnan(old.object_mass).all()
    lacking = {n: getattr(old, n) for n in ("yaw_margin", "object_mass", "object_friction")}
    assert_equal(old, dataclasses.replace(record, **lacking))


def test_a_new_file_without_the_new_arrays_is_refused(tmp_path):
    write_scene(tmp_path / "s.npz", make_record())
    arrays = read_arrays(tmp_path / "s.npz")
    del arrays["yaw_margin"]
    (tmp_path / "s.npz").write_bytes(pack_arrays(arrays))
    with pytest.raises(SceneFileError, match="'yaw_margin' is missing"):
        read_scene(tmp_path / "s.npz")


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_damaged_byte_changes_data_unnoticed(tmp_path_factory, where, change):
    folder = tmp_path_factory.mktemp("scene")
    record = make_record()
    write_scene(folder / "s.npz", record)
    data = bytearray((folder / "s.npz").read_bytes())
    data[where % len(data)] ^= change
    (folder / "s.npz").write_bytes(data)
    with contextlib.suppress(SceneFileError):
        # Where it is read, the byte was one that a zip holds twice or that means nothing to us.
        assert_equal(read_scene(folder / "s.npz"), record)


@given(st.floats(0.0, 0.999))
def test_truncated_files_are_refused(tmp_path_factory, share):
    folder = tmp_path_factory.mktemp("scene")
    write_scene(folder / "s.npz", make_record())
    data = (folder / "s.npz").read_bytes()
    (folder / "s.npz").write_bytes(data[: int(share * len(data))])
    with pytest.raises(SceneFileError, match=r"s\.npz"):
        read_scene(folder / "s.npz")


def test_pickled_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "s.npz", kind=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ArrayFileError, match="plain"):
        read_arrays(tmp_path / "s.npz")


def test_a_header_that_claims_more_than_is_there_costs_no_memory(tmp_path):
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        content, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)}
    )
    with zipfile.ZipFile(tmp_path / "s.npz", "w") as archive:
        archive.writestr("depth.npy", content.getvalue())
    with pytest.raises(ArrayFileError, match="reshape"):
        read_arrays(tmp_path / "s.npz")


def test_partial_reading_and_missing_arrays(tmp_path):
    write_scene(tmp_path / "s.npz", make_record(grasps=3))
    assert list(read_arrays(tmp_path / "s.npz", ["yaw_success"])) == ["yaw_success"]
    with pytest.raises(ArrayFileError, match="no array 'colour'"):
        read_arrays(tmp_path / "s.npz", ["colour"])
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "t.npz")
    with pytest.raises(SceneFileError, match=r"t\.npz"):
        read_scene(tmp_path / "t.npz")


def test_foreign_arrays_are_named():
    assert array_faults({"x": np.zeros(3)}) == ["format_version is missing"]
    faults = array_faults({"format_version": np.int32(2), "extra": np.zeros(1)})
    assert "array 'extra' is unknown" in faults
    assert "array 'depth' is missing" in faults
