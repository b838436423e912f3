"""Keystep files, written here as msgpack-numpy and lmdb write them."""

import numpy as np
import pytest

from equigrasp.policy.episodes.keysteps import KeystepFile, main, unpack

lmdb = pytest.importorskip("lmdb")
msgpack = pytest.importorskip("msgpack")


def encode(value):
    """The published encoding of arrays."""
    if isinstance(value, np.ndarray):
        return {
            b"nd": True,
            b"type": value.dtype.str,
            b"kind": b"",
            b"shape": value.shape,
            b"data": value.tobytes(),
        }
    if isinstance(value, np.generic):
        return {b"nd": False, b"type": value.dtype.str, b"data": value.tobytes()}
    raise TypeError(type(value))


def voxel_record(seed, keyframes=3):
    rng = np.random.default_rng(seed)
    counts = rng.integers(5, 20, keyframes)
    return {
        "xyz": [rng.normal(size=(n, 3)).astype("f4") for n in counts],
        "rgb": [rng.integers(0, 256, (n, 3)).astype("u1") for n in counts],
        "action": rng.normal(size=(keyframes, 8)),
        "key_frameids": [np.int64(i * 7) for i in range(keyframes)],
        "bbox_info": {"Panda_link0_bbox": rng.normal(size=(keyframes, 6))},
    }


def image_record(seed, keyframes=2):
    rng = np.random.default_rng(seed)
    return {
        "pc": rng.normal(size=(keyframes, 4, 6, 6, 3)).astype("f4"),
        "rgb": rng.integers(0, 256, (keyframes, 4, 6, 6, 3)).astype("u1"),
        "action": rng.normal(size=(keyframes, 8)),
        "key_frameids": list(range(keyframes)),
    }


def write(folder, records):
    with lmdb.open(str(folder), map_size=1 << 24) as database, database.begin(write=True) as t:
        for key, record in records.items():
            t.put(key.encode(), msgpack.packb(record, default=encode))
    return folder


def test_clouds_of_voxels_are_read_by_number(tmp_path):
    records = {f"episode{i}": voxel_record(i) for i in (0, 2, 10)}
    with KeystepFile(write(tmp_path / "close_jar_peract+15", records)) as file:
        assert (file.task, file.variation, len(file)) == ("close_jar_peract", 15, 3)
        assert file.keys() == ["episode0", "episode2", "episode10"]
        for episode, record in zip(file, records.values(), strict=True):
            assert episode.frames == [0, 7, 14]
            np.testing.assert_array_equal(episode.actions, record["action"])
            for cloud, expected in zip(episode.points, record["xyz"], strict=True):
                np.testing.assert_array_equal(cloud, expected)
            for cloud, expected in zip(episode.colours, record["rgb"], strict=True):
                assert cloud.dtype == np.uint8
                np.testing.assert_array_equal(cloud, expected)
            assert episode.extras["bbox_info"]["Panda_link0_bbox"].shape == (3, 6)
        with pytest.raises(KeyError, match="episode1"):
            file.read("episode1")


def test_images_are_read_as_clouds(tmp_path):
    record = image_record(0)
    with KeystepFile(write(tmp_path / "turn_tap+1", {"episode0": record})) as file:
        (episode,) = file
    assert [cloud.shape for cloud in episode.points] == [(4 * 36, 3)] * 2
    np.testing.assert_array_equal(episode.points[1], record["pc"][1].reshape(-1, 3))
    np.testing.assert_array_equal(episode.colours[1], record["rgb"][1].reshape(-1, 3))


def test_an_array_of_objects_is_refused(tmp_path):
    hostile = {b"nd": True, b"type": "|O", b"kind": b"O", b"shape": (1,), b"data": b"cos\nsystem"}
    with pytest.raises(ValueError, match="kind 'O'"):
        unpack(msgpack.packb(hostile))
    folder = write(tmp_path / "a+0", {"episode0": {**image_record(0), "pc": hostile}})
    with KeystepFile(folder) as file, pytest.raises(ValueError, match="episode0: torn or foreign"):
        file.read("episode0")


def test_torn_and_foreign_records_are_named(tmp_path):
    record = voxel_record(0)
    del record["action"]
    folder = write(tmp_path / "a+0", {"episode0": record})
    with KeystepFile(folder) as file, pytest.raises(ValueError, match="action"):
        file.read("episode0")
    whole = msgpack.packb(voxel_record(0), default=encode)
    for torn in (whole[:-9], whole + b"1", b"\xc1"):
        with pytest.raises(ValueError, match=r"incomplete|extra|no msgpack"):
            unpack(torn)


def test_what_is_no_keystep_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"TASK\+VARIATION"):
        KeystepFile(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"data\.mdb"):
        KeystepFile(tmp_path / "a+1")


def test_the_command_line_lists_every_episode_and_names_what_is_no_file(tmp_path, capsys):
    folder = write(tmp_path / "close_jar+1", {"episode0": voxel_record(0)})
    assert main([str(folder)]) == 0
    line = capsys.readouterr().out
    assert line.startswith("close_jar+1 episode0: keyframes [0, 7, 14], points [")
    assert "also bbox_info" in line
    assert main([str(folder), str(tmp_path / "open_door+0")]) == 1
    assert "open_door+0 holds no data.mdb" in capsys.readouterr().err
