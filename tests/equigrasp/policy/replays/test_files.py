"""Episodes come back from both layouts, and from files as other software writes them."""

import dataclasses
import json
import shutil
import zipfile

import numpy as np
import pytest

from equigrasp.policy.replays.diffusion_policy_files import write_diffusion_policy
from equigrasp.policy.replays.lerobot_files import write_lerobot
from equigrasp.policy.replays.read import read_replay
from equigrasp.policy.replays.replay import ReplayError

numcodecs = pytest.importorskip("numcodecs")
pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
WRITERS = {"zarr": write_diffusion_policy, "lerobot": write_lerobot}


def assert_same(found, wanted, images=True):
    np.testing.assert_array_equal(found.action, wanted.action)
    np.testing.assert_array_equal(found.ends, wanted.ends)
    np.testing.assert_allclose(found.state, wanted.state, atol=1e-3)
    if images:
        np.testing.assert_array_equal(found.image, wanted.image)
    else:
        assert found.image is None


@pytest.mark.parametrize("layout", WRITERS)
def test_what_was_written_is_read(tmp_path, replay, layout):
    WRITERS[layout](replay, tmp_path / "set")
    assert_same(read_replay(tmp_path / "set", images=True), replay)
    assert_same(read_replay(tmp_path / "set", images=False), replay, images=False)
    two = read_replay(tmp_path / "set", images=True, episodes=2)
    assert two.ends.tolist() == [10, 30]
    np.testing.assert_array_equal(two.image, replay.image[:30])


def test_rewards_survive_where_the_layout_has_them(tmp_path, replay):
    write_lerobot(replay, tmp_path / "set")
    found = read_replay(tmp_path / "set", images=False)
    np.testing.assert_allclose(found.coverage, replay.coverage, atol=1e-6)


def published_zarr(root, replay):
    """As the published file is: floats for pictures, other compressors, chunks that do not fit."""

    def write(name, array, chunks, codec):
        folder = root / name
        folder.mkdir(parents=True)
        header = {"shape": array.shape, "chunks": chunks, "dtype": array.dtype.str, "order": "C"}
        header |= {"compressor": codec and codec.get_config(), "filters": None, "fill_value": 0.0}
        (folder / ".zarray").write_text(json.dumps({"zarr_format": 2, **header}))
        for start in range(0, len(array), chunks[0]):
            chunk = np.zeros(chunks, array.dtype)
            part = array[start : start + chunks[0]]
            chunk[: len(part)] = part
            name = ".".join([str(start // chunks[0])] + ["0"] * (array.ndim - 1))
            data = chunk.tobytes()
            (folder / name).write_bytes(codec.encode(data) if codec else data)

    for group in ("", "data", "meta"):
        (root / group).mkdir(parents=True, exist_ok=True)
        (root / group / ".zgroup").write_text('{"zarr_format": 2}')
    state = np.concatenate([replay.agent, replay.block], 1)
    write("data/action", replay.action, [17, 2], numcodecs.Blosc("lz4", 5, 0))
    write("data/state", state, [37, 5], numcodecs.Zstd())
    write("data/img", replay.image.astype(np.float32), [11, 96, 96, 3], numcodecs.Blosc("zstd"))
    write("meta/episode_ends", replay.ends, [3], None)


@pytest.mark.parametrize("zipped", [False, True])
def test_the_published_file_is_read(tmp_path, replay, zipped):
    path = tmp_path / "replay.zarr"
    published_zarr(path, replay)
    if zipped:
        shutil.make_archive(str(path), "zip", path)
        path = path.with_suffix(".zarr.zip")
        assert zipfile.is_zipfile(path)
    assert_same(read_replay(path, images=True), replay)


def test_chunks_that_were_never_written_are_fill_value(tmp_path, replay):
    published_zarr(tmp_path, replay)
    (tmp_path / "data/action/1.0").unlink()
    found = read_replay(tmp_path, images=False)
    assert not found.action[17:34].any()
    np.testing.assert_array_equal(found.action[:17], replay.action[:17])


def test_the_older_layout_of_lerobot_is_read(tmp_path, replay):
    """v2.1: an episode a file."""
    write_lerobot(replay, tmp_path)
    (whole,) = (tmp_path / "data").glob("*/*.parquet")
    table = parquet.read_table(whole)
    whole.unlink()
    for start, end, name in ((10, 30, "episode_000001"), (0, 10, "episode_000000")):
        part = table.slice(start, end - start)
        parquet.write_table(part, whole.with_name(f"{name}.parquet"))
    found = read_replay(tmp_path, images=True)
    assert found.ends.tolist() == [10, 30]
    np.testing.assert_array_equal(found.image, replay.image[:30])


def harm_compressor(root):
    header = json.loads((root / "data/state/.zarray").read_text())
    header["compressor"] = {"id": "pickle", "protocol": 2}
    (root / "data/state/.zarray").write_text(json.dumps(header))


def harm_type(root):
    header = json.loads((root / "data/state/.zarray").read_text())
    (root / "data/state/.zarray").write_text(json.dumps({**header, "dtype": "|O"}))


def harm_size(root):
    header = json.loads((root / "data/state/.zarray").read_text())
    (root / "data/state/.zarray").write_text(json.dumps({**header, "shape": [10**12, 5]}))


def harm_chunk(root):
    (root / "data/action/0.0").write_bytes(b"torn")


def lose_array(root):
    shutil.rmtree(root / "data/img")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (harm_compressor, "compressor 'pickle'"),
        (harm_type, "not plain numbers"),
        (harm_chunk, "'data/action' .* torn"),
        (lose_array, "no array 'data/img'"),
    ],
)
def test_torn_and_foreign_arrays_are_named(tmp_path, replay, harm, message):
    published_zarr(tmp_path, replay)
    harm(tmp_path)
    with pytest.raises(ReplayError, match=message):
        read_replay(tmp_path, images=True)


def test_an_array_that_claims_the_whole_memory_is_refused(tmp_path, replay):
    published_zarr(tmp_path, replay)
    harm_size(tmp_path / "")
    header = json.loads((tmp_path / "meta/episode_ends/.zarray").read_text())
    header |= {"shape": [10**12], "chunks": [10**12]}
    (tmp_path / "meta/episode_ends/.zarray").write_text(json.dumps(header))
    with pytest.raises(ReplayError, match="claims"):
        read_replay(tmp_path, images=False)


def test_a_data_set_without_pictures_says_which_have_some(tmp_path, replay):
    write_lerobot(dataclasses.replace(replay, image=None), tmp_path)
    assert read_replay(tmp_path, images=False).image is None
    with pytest.raises(ReplayError, match=r"no pictures called observation\.image.*pusht_image"):
        read_replay(tmp_path, images=True)


def test_what_is_nothing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no"):
        read_replay(tmp_path / "absent", images=False)
    with pytest.raises(ReplayError, match=r"no \.zgroup"):
        read_replay(tmp_path, images=False)
    (tmp_path / "x.zip").write_bytes(b"PK torn")
    with pytest.raises(ReplayError, match="cannot be read"):
        read_replay(tmp_path / "x.zip", images=False)
    with pytest.raises(ReplayError, match="at least 1"):
        read_replay(tmp_path, images=False, episodes=0)


def test_diffusion_policy_needs_to_know_where_the_t_is(tmp_path, replay):
    with pytest.raises(ReplayError, match="where the T is"):
        write_diffusion_policy(dataclasses.replace(replay, block=None), tmp_path / "set")
    assert not (tmp_path / "set").exists()
