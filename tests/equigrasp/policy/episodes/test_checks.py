"""Episodes of other versions and forks that can be used, and the form they are brought into."""

import pickle  # noqa: TID251 - what others wrote
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from equigrasp.policy.episodes.checks import size_fault
from equigrasp.policy.episodes.files import DESCRIPTIONS, LOW_DIM, Episode, write_episode
from equigrasp.policy.episodes.frames import CAMERAS, Demo
from equigrasp.policy.episodes.inspect import inspect
from equigrasp.policy.episodes.rlbench_pickle import HostilePickleError, dumps, loads
from equigrasp.policy.episodes.synthetic import random_frames


@pytest.fixture
def frames():
    found = random_frames(0, 12, 16)
    for index, frame in enumerate(found):
        frame.state.gripper_open = float(index < 6)
    return found


def written(folder, frames):
    episode = write_episode(folder, "push", 0, frames, variation=0, descriptions=["push it"])
    return Episode(episode.path, "push", 0)


def rewritten(episode, frames):
    (episode.path / LOW_DIM).write_bytes(dumps(Demo([frame.state for frame in frames])))
    return Episode(episode.path, "push", 0)


def test_a_share_of_the_opening_makes_the_keyframes_of_one_and_zero(tmp_path, frames):
    episode = written(tmp_path, frames)
    exact = episode.keypoints
    for index, frame in enumerate(frames):
        frame.state.gripper_open = (0.98, 0.97, 0.96)[index % 3] if index < 6 else 0.05 * index
    shares = rewritten(episode, frames)
    assert shares.keypoints == exact == [6, 11]
    assert [state.gripper_open for state in shares.demo] == [1.0] * 6 + [0.0] * 6


@pytest.mark.parametrize("value", [True, 1, np.float32(1.0), np.array([1.0])])
def test_an_open_gripper_may_be_told_in_several_ways(tmp_path, frames, value):
    frames[0].state.gripper_open = value
    assert rewritten(written(tmp_path, frames), frames).demo[0].gripper_open == 1.0


def test_fields_that_nobody_needs_may_be_absent(tmp_path, frames):
    for frame in frames:
        for name in ("ignore_collisions", "gripper_matrix", "joint_forces", "task_low_dim_state"):
            del vars(frame.state)[name]
    episode = rewritten(written(tmp_path, frames), frames)
    assert episode.demo[0].ignore_collisions is None
    assert inspect(tmp_path)[0].faults == []


@pytest.mark.parametrize(
    ("stored", "sentences"),
    [
        ("open the drawer", ["open the drawer"]),
        (b"open the drawer", ["open the drawer"]),
        (("open it", "pull it"), ["open it", "pull it"]),
        (np.array(["öffne die Schublade ☃"]), ["öffne die Schublade ☃"]),
        ([b"open", "pull"], ["open", "pull"]),
    ],
)
def test_descriptions_are_sentences_and_never_letters(tmp_path, frames, stored, sentences):
    episode = written(tmp_path, frames)
    (episode.path / DESCRIPTIONS).write_bytes(pickle.dumps(stored, 4))
    assert episode.descriptions == sentences


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["f8", "f4", "i4", "u1", "?", "U5", "M8[s]"])
def test_arrays_of_plain_types_are_read_from_protocol_5(order, kind):
    array = np.asarray(np.arange(6).astype("U1" if kind == "U5" else "i8"), order="C")
    array = np.array(array.reshape(2, 3).astype(kind), order=order)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = loads(pickle.dumps({"x": array}, protocol))["x"]
        assert again.dtype == array.dtype
        np.testing.assert_array_equal(again, array)
        again[0, 0] = again[1, 1]  # an array of its own, not a view of the file


def test_a_demonstration_in_protocol_5_is_read_and_objects_are_not(tmp_path, frames):
    episode = written(tmp_path, frames)
    data = dumps(Demo([frame.state for frame in frames]))
    again = loads(pickle.dumps({"state": loads(data)[0].gripper_pose}, 5))
    np.testing.assert_array_equal(again["state"], frames[0].state.gripper_pose)
    with pytest.raises((HostilePickleError, ValueError)):
        loads(pickle.dumps(np.array([print, 3], dtype=object), 5))
    named = pickle.dumps(np.arange(3.0), 5).replace(b"_frombuffer", b"_fromstring")
    with pytest.raises((HostilePickleError, ValueError)):
        loads(named)
    assert len(episode.demo) == 12


def test_colours_with_an_alpha_channel_or_a_palette_are_colours(tmp_path, frames):
    episode = written(tmp_path, frames)
    plain = episode.rgb("front", 0)
    path = episode.path / "front_rgb" / "0.png"
    opaque = np.concatenate([plain, np.full((16, 16, 1), 255, "u1")], 2)
    Image.fromarray(opaque).save(path)
    np.testing.assert_array_equal(episode.rgb("front", 0), plain)


def test_intrinsics_tell_the_size_of_an_image_to_a_pixel_or_two(frames, tmp_path):
    camera = written(tmp_path, frames).camera(CAMERAS[0], 0)
    assert size_fault((16, 16, 3), camera) == ""
    assert size_fault((15, 17, 3), camera) == ""
    assert "is 16x32 pixels" in size_fault((32, 16), camera)
    wide = replace(camera, intrinsics=camera.intrinsics * [[1, 1, 4], [1, 1, 4], [1, 1, 1]])
    assert size_fault((64, 64), wide) == ""
