import numpy as np
import pytest

from equigrasp.policy.episodes.faults import episode_faults
from equigrasp.policy.episodes.files import (
    DESCRIPTIONS,
    LAYOUTS,
    LOW_DIM,
    EpisodeError,
    find_episodes,
    write_episode,
)
from equigrasp.policy.episodes.frames import CAMERAS, CameraImages, Frame
from equigrasp.policy.episodes.synthetic import random_frames

SIZE, COUNT = 16, 4


def write(root, number=0, layout=LAYOUTS[0], seed=0, **changes):
    options = {"variation": 2, "descriptions": ["push it", "press it"], "layout": layout}
    return write_episode(
        root, "push_button", number, random_frames(seed, COUNT, SIZE), **{**options, **changes}
    )


def contents(episode):
    """Every pixel and state of an episode."""
    return [
        (vars(episode.demo[i])["gripper_pose"].tolist(), episode.demo[i].misc["variation_index"])
        + tuple(
            getattr(episode, kind)(camera, i).tobytes()
            for camera in CAMERAS
            for kind in ("rgb", "depth", "mask")
        )
        for i in range(len(episode))
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_round_trip_is_bit_exact(tmp_path, layout):
    written = write(tmp_path / "a", layout=layout, random_seed=("MT19937", np.arange(4), 1, 0, 0.0))
    (read,) = find_episodes(tmp_path / "a")
    assert read == written
    assert (read.layout, read.variation, len(read)) == (layout, 2, COUNT)
    assert read.descriptions == ["push it", "press it"]
    original = random_frames(0, COUNT, SIZE)
    for index, frame in enumerate(original):
        for camera, images in frame.images.items():
            np.testing.assert_array_equal(read.rgb(camera, index), images.rgb)
            np.testing.assert_array_equal(read.mask(camera, index), images.mask)
            np.testing.assert_allclose(read.depth(camera, index), images.depth, atol=1.3e-7)
    loaded = [
        Frame(
            read.demo[i],
            {c: CameraImages(read.rgb(c, i), read.depth(c, i), read.mask(c, i)) for c in CAMERAS},
        )
        for i in range(COUNT)
    ]
    again = write_episode(
        tmp_path / "b",
        "push_button",
        0,
        loaded,
        variation=2,
        descriptions=read.descriptions,
        layout=layout,
        random_seed=read.demo.random_seed,
    )
    assert contents(again) == contents(read)
    for file in sorted(p for p in (tmp_path / "a").rglob("*") if p.is_file()):
        copy = tmp_path / "b" / file.relative_to(tmp_path / "a")
        assert copy.read_bytes() == file.read_bytes(), file


def test_episodes_of_both_layouts_are_found_in_order(tmp_path):
    for number in (10, 2):
        write(tmp_path, number)
    write(tmp_path, 0, LAYOUTS[1])
    write(tmp_path, 1, variation=11)
    write_episode(
        tmp_path, "a_task", 0, random_frames(0, COUNT, SIZE, ()), variation=0, descriptions=["do"]
    )
    (tmp_path / "push_button" / "variation2" / "episodes" / ".episode3.1.tmp").mkdir()
    found = [(e.task, e.path.parents[1].name, e.number) for e in find_episodes(tmp_path)]
    assert found == [
        ("a_task", "all_variations", 0),
        ("push_button", "all_variations", 0),
        ("push_button", "variation2", 2),
        ("push_button", "variation2", 10),
        ("push_button", "variation11", 1),
    ]
    assert [e.task for e in find_episodes(tmp_path, ["a_task"])] == ["a_task"]
    with pytest.raises(FileNotFoundError, match="no_task"):
        find_episodes(tmp_path, ["no_task"])
    with pytest.raises(FileNotFoundError, match="nowhere"):
        find_episodes(tmp_path / "nowhere")


def test_an_episode_is_replaced_whole(tmp_path):
    first = write(tmp_path)
    before = contents(first)
    second = write(tmp_path, seed=1)
    assert contents(second) != before
    assert len(find_episodes(tmp_path)) == 1
    bad = random_frames(2, COUNT, SIZE)
    bad[-1].images["front"].mask[0, 0] = -1
    with pytest.raises(ValueError, match="handles"):
        write_episode(tmp_path, "push_button", 0, bad, variation=2, descriptions=["x"])
    assert not list(tmp_path.glob("push_button/all_variations/episodes/episode*"))
    (kept,) = find_episodes(tmp_path)
    assert contents(kept) == contents(second)


def test_point_clouds_follow_the_camera_of_their_frame(tmp_path):
    episode = write(tmp_path)
    points = episode.point_cloud("wrist", 2)
    camera = episode.camera("wrist", 2)
    distance = np.linalg.norm(points - camera.extrinsics[:3, 3], axis=-1)
    assert (distance >= episode.depth("wrist", 2) - 1e-9).all()
    assert not np.array_equal(camera.extrinsics, episode.camera("wrist", 1).extrinsics)


def test_sound_episodes_have_no_faults(tmp_path):
    for layout in LAYOUTS:
        assert episode_faults(write(tmp_path, layout=layout), deep=True) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / LOW_DIM).unlink(), LOW_DIM),
        (lambda p: (p / LOW_DIM).write_bytes(b"\x80\x04."), "torn"),
        (lambda p: (p / LOW_DIM).write_bytes(b"cos\nsystem\n."), "os.system"),
        (lambda p: (p / "front_rgb" / "1.png").unlink(), "3 images where"),
        (lambda p: (p / "wrist_depth" / "0.png").write_bytes(b"PNG"), "torn"),
        (lambda p: (p / "wrist_depth" / "9.png").write_bytes(b""), "5 images where"),
        (lambda p: (p / "overhead_rgb").rename(p / "else"), "camera 'overhead'"),
        (lambda p: (p.parents[1] / DESCRIPTIONS).unlink(), DESCRIPTIONS),
    ],
)
def test_faults_are_named(tmp_path, damage, message):
    written = write(tmp_path)
    damage(written.path)
    (fresh,) = find_episodes(tmp_path)
    faults = episode_faults(fresh, deep=True)
    assert faults
    assert message in faults[0]


def test_reading_a_torn_episode_raises_its_own_error(tmp_path):
    written = write(tmp_path)
    (written.path / "front_rgb" / "0.png").unlink()
    with pytest.raises(EpisodeError, match=r"front_rgb.0\.png"):
        written.rgb("front", 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layout": "flat"}, "flat"),
        ({"descriptions": []}, "description"),
    ],
)
def test_impossible_episodes_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path, **changes)
    mixed = [*random_frames(0, 1, SIZE), *random_frames(0, 1, SIZE, ("front",))]
    with pytest.raises(ValueError, match="cameras"):
        write_episode(tmp_path, "t", 0, mixed, variation=0, descriptions=["x"])
