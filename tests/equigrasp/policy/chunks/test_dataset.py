import numpy as np
import pytest
import torch

from equigrasp.policy.chunks.chunk_io import pixels
from equigrasp.policy.chunks.dataset import ChunkDataset, split_episodes, windows
from equigrasp.policy.replays.replay import ReplayError

SHAPE = {"horizon": 8, "observed": 2, "executed": 4}


def test_chunks_stay_in_their_episode_and_are_filled_up_at_its_ends(replay):
    data = ChunkDataset(replay, sees="state", **SHAPE)
    assert len(data) == (12 - 8 + 3 + 2) + (20 - 8 + 3 + 2)
    first = pixels(data[0, 0]["action"])
    np.testing.assert_allclose(first[:, 0], [0, 0, 10, 20, 30, 40, 50, 60], atol=1e-4)
    assert (first[:, 1] == 100).all()
    last = pixels(data[0, 8]["action"])
    np.testing.assert_allclose(last[:, 0], [70, 80, 90, 100, 110, 110, 110, 110], atol=1e-4)
    other = pixels(data[0, 9]["action"])
    np.testing.assert_allclose(other[:, 0], [0, 0, 10, 20, 30, 40, 50, 60], atol=1e-4)
    assert (other[:, 1] == 200).all()


def test_the_action_of_an_observation_is_the_one_that_is_played_first(replay):
    data = ChunkDataset(replay, sees="state", **SHAPE)
    item = data[0, 3]
    latest = pixels(item["state"][-1, :2])  # the agent is one pixel beside its action, see fixture
    torch.testing.assert_close(pixels(item["action"][1]) + 1, latest)


def test_pictures_are_cut_out_anywhere_but_alike_in_an_item(replay):
    data = ChunkDataset(replay, sees="image", crop=28, seed=3, **SHAPE)
    again = ChunkDataset(replay, sees="image", crop=28, seed=3, **SHAPE)
    item = data[0, 4]
    assert item["image"].shape == (2, 3, 28, 28)
    assert item["state"].shape == (2, 2)
    torch.testing.assert_close(item["image"], again[0, 4]["image"])
    places = set()
    for epoch in range(12):
        found = (255 * data[epoch, 4]["image"]).round().byte().movedim(1, -1).numpy()
        spots = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if (replay.image[3:5, y : y + 28, x : x + 28] == found).all()
        ]
        assert len(spots) == 1
        places.add(spots[0])
    assert len(places) > 5
    whole = ChunkDataset(replay, sees="image", **SHAPE)
    assert whole[0, 4]["image"].shape == (2, 3, 32, 32)


def test_pictures_that_are_too_small_are_refused(replay):
    with pytest.raises(ValueError, match="hold no crop=40"):
        ChunkDataset(replay, sees="image", crop=40, **SHAPE)[0, 0]


def test_the_state_asks_for_the_pose_of_the_t(replay):
    import dataclasses

    blind = dataclasses.replace(replay, block=None)
    with pytest.raises(ReplayError, match="sees=image"):
        ChunkDataset(blind, sees="state", **SHAPE)
    assert len(ChunkDataset(blind, sees="image", **SHAPE)) == 26


def test_windows_of_published_horizons_leave_at_most_seven_actions_to_fill():
    found = windows(np.array([50]), 16, 2, 8)
    assert found[0, 0] == -1
    assert found[-1, 0] + 16 - 50 == 7


def test_episodes_are_split_once_and_for_all():
    learned, held = split_episodes(200, 0.05)
    assert len(held) == 10
    assert sorted(learned + held) == list(range(200))
    assert split_episodes(2, 0.9) == split_episodes(2, 0.1)
    for count, share in ((1, 0.1), (5, 0.0), (5, 1.0)):
        with pytest.raises(ValueError, match="at least 2"):
            split_episodes(count, share)
