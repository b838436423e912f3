import dataclasses

import numpy as np
import pytest

from equigrasp.policy.replays.replay import ReplayError, joined
from equigrasp.policy.replays.tee import OUTLINE, VERTICES, keypoints, place, pose_of


def test_corners_tell_the_pose():
    random = np.random.default_rng(0)
    pose = random.uniform([0, 0, 0], [512, 512, 2 * np.pi], (50, 3))
    np.testing.assert_allclose(pose_of(keypoints(pose)), pose, atol=1e-9)


def test_turning_the_t_turns_its_corners_by_complex_numbers():
    pose = np.array([100.0, 200.0, 0.7])
    corners = VERTICES[:, 0] + 1j * VERTICES[:, 1]
    turned = corners * np.exp(0.7j) + (100 + 200j)
    np.testing.assert_allclose(place(VERTICES, pose), np.stack([turned.real, turned.imag], 1))


def test_the_outline_holds_the_area_of_both_boxes():
    x, y = OUTLINE.T
    area = abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    assert area == 120 * 30 + 30 * 90


def test_episodes_come_apart_and_together_again(replay):
    again = joined([replay.episode(index) for index in range(3)])
    for field in dataclasses.fields(replay):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(replay, field.name))
    assert replay.episode(1).ends.tolist() == [20]
    np.testing.assert_array_equal(replay.episode(1).action, replay.action[10:30])


def test_what_one_lacks_all_lack(replay):
    blind = dataclasses.replace(replay, image=None)
    assert joined([replay, blind]).image is None
    assert len(joined([replay, blind]).state) == 2 * 37


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ends": np.array([10, 10, 37])}, "ends have to rise"),
        ({"ends": np.array([10, 30])}, "number of frames, 37"),
        ({"ends": np.array([], int)}, "ends have to rise"),
        ({"agent": np.zeros((36, 2), np.float32)}, r"agent has shape \(36, 2\)"),
        ({"block": np.full((37, 3), np.nan, np.float32)}, "finite"),
        ({"image": np.zeros((37, 96, 96), np.uint8)}, "images have shape"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(replay, change, message):
    with pytest.raises(ReplayError, match=message):
        dataclasses.replace(replay, **change)


def test_without_poses_there_is_no_state(replay):
    with pytest.raises(ReplayError, match="sees=image"):
        _ = dataclasses.replace(replay, block=None).state
