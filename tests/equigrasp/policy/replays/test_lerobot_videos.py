"""Pictures in the videos of LeRobot's data sets are those that were put there."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from equigrasp.policy.replays import lerobot_videos
from equigrasp.policy.replays.lerobot_files import write_lerobot
from equigrasp.policy.replays.lerobot_videos import Clip, Videos, read_clip
from equigrasp.policy.replays.read import read_replay
from equigrasp.policy.replays.replay import ReplayError

sys.path.insert(0, str(Path(__file__).parents[3]))

from recorded.videos import GREY, LOSSLESS, RATE, into_videos, write_video

pa = pytest.importorskip("pyarrow", reason="pip install 'equigrasp[pusht]'")
pq = pytest.importorskip("pyarrow.parquet")
IMAGE = "observation.image"


@pytest.fixture
def data_set(tmp_path, replay):
    write_lerobot(replay, tmp_path)
    into_videos(tmp_path, {IMAGE: LOSSLESS}, "v3.0")
    return tmp_path


def change(path, **told):
    info = json.loads((path / "meta/info.json").read_text())
    (path / "meta/info.json").write_text(json.dumps(info | told))


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_episodes_are_those_of_the_tables(tmp_path, replay, version):
    write_lerobot(replay, tmp_path)
    into_videos(tmp_path, {IMAGE: LOSSLESS}, version)
    assert IMAGE not in pq.read_table(next((tmp_path / "data").glob("*/*"))).column_names
    found = read_replay(tmp_path, images=True)
    np.testing.assert_array_equal(found.image, replay.image)
    np.testing.assert_array_equal(found.action, replay.action)
    two = read_replay(tmp_path, images=True, episodes=2)
    np.testing.assert_array_equal(two.image, replay.image[:30])
    assert read_replay(tmp_path, images=False).image is None


@pytest.mark.parametrize("codec", ["libsvtav1", "libx264"])
def test_a_picture_is_found_wherever_one_begins_to_look(tmp_path, codec):
    """As LeRobot writes them: with losses, a whole picture now and then."""
    heights = np.arange(64)[:, None] < 2 * np.arange(30)
    pictures = [np.full((64, 64, 3), 30, np.uint8) for _ in range(30)]
    for number, picture in enumerate(pictures):
        picture[heights[:, number]] = (200, 40, 90)
    write_video(tmp_path / "a.mp4", pictures, codec, "yuv420p", {"g": "7", "crf": "20"})
    for first in (0, 5, 7, 26, 29):
        clip = Clip(tmp_path / "a.mp4", first / RATE, 0.5 / RATE)
        wanted = pictures[first::3]
        found = list(read_clip(clip, 3 * np.arange(len(wanted)) / RATE))
        for own, meant in zip(found, wanted, strict=True):
            assert np.abs(own.astype(int) - meant).mean() < 3  # a picture earlier differs by 5


def test_depth_in_16_bits_keeps_every_millimetre(tmp_path):
    random = np.random.default_rng(0)
    depth = [random.integers(0, 65536, (24, 32), dtype=np.uint16) for _ in range(5)]
    write_video(tmp_path / "a.mp4", depth, **GREY)
    found = list(read_clip(Clip(tmp_path / "a.mp4", 0.0, 0.01), np.arange(5) / RATE))
    np.testing.assert_array_equal(found, depth)
    assert found[0].dtype == np.uint16


def test_grey_that_may_have_lost_something_is_refused(tmp_path):
    class Lossy:
        name, lossless, lossy = "hevc", True, True

    class Context:
        pix_fmt, codec = "gray16le", Lossy()

    with pytest.raises(ReplayError, match="by hevc, which may lose"):
        lerobot_videos._check_lossless(tmp_path, Context())


def test_a_time_without_a_picture_is_named(data_set):
    clip = Videos(data_set, IMAGE).clip(0)
    assert clip.start == pytest.approx(2.7)  # written last
    assert len(list(read_clip(clip, [0.0, 0.04, 0.94]))) == 3
    for second in (1.06, 50.0):
        with pytest.raises(ReplayError, match=r"no picture at .* is at 3\.6000 s"):
            list(read_clip(clip, [second]))
    with pytest.raises(ReplayError, match="missing, torn or no video"):
        list(read_clip(clip._replace(path=data_set / "absent.mp4"), [0.0]))
    clip.path.write_bytes(b"no video")
    with pytest.raises(ReplayError, match="missing, torn or no video"):
        list(read_clip(clip, [0.0]))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"video_path": None}, "has to tell both"),
        ({"fps": 0}, "has to tell both"),
        ({"video_path": "../{video_key}.mp4"}, "outside of it"),
        ({"video_path": "/{video_key}.mp4"}, "outside of it"),
        ({"video_path": "{other}.mp4"}, "does not tell where"),
        ({"video_path": "{video_key.a.b}.mp4"}, "does not tell where"),
        ({"video_path": "{episode_chunk:03d}.mp4", "chunks_size": "few"}, "does not tell where"),
    ],
)
def test_places_that_are_none_are_named(data_set, told, message):
    change(data_set, **told)
    with pytest.raises(ReplayError, match=message):
        read_replay(data_set, images=True)


def test_a_table_of_episodes_that_lacks_something_is_named(data_set):
    with pytest.raises(ReplayError, match="of episode 3 is: KeyError"):
        Videos(data_set, IMAGE).clip(3)
    table = data_set / "meta/episodes/chunk-000/file-000.parquet"
    pq.write_table(pa.table({"episode_index": [0, 1, 2]}), table)
    with pytest.raises(ReplayError, match=r"^\S*file-000\.parquet is torn or foreign"):
        read_replay(data_set, images=True)
    table.unlink()
    with pytest.raises(ReplayError, match="does not tell where"):
        read_replay(data_set, images=True)


def test_what_decodes_is_asked_for_before_anything_is_read(data_set, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"equigrasp\[videos\]"):
        Videos(data_set, IMAGE)
