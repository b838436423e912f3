"""Several keyframes for one observation: as many as asked for, each as it would be chosen alone."""

import numpy as np
import pytest

from equigrasp.policy.agent import KeyframeAgent
from equigrasp.policy.episodes.synthetic import random_frames
from equigrasp.policy.models.mini_diffuser import MiniDiffuser
from equigrasp.policy.nn.vocabulary import Vocabulary


@pytest.fixture
def agent():
    small = {"widths": (12, 12), "channels": 24, "head_channels": 12, "patch": 8}
    policy = MiniDiffuser(Vocabulary(["push", "it"]), **small).eval()
    wide = {"low": (-9.0,) * 3, "high": (9.0,) * 3, "table_top": -9.0}
    policy.card = {"cameras": ["front"], "image_size": 8, "cloud": wide}
    return KeyframeAgent(policy, candidates=1, steps=3)


def test_draws_are_poses_and_states_of_the_gripper(agent):
    frame = random_frames(0, 1, 8, ["front"])[0]
    poses, opened = agent.draw(frame, "push it", 5)
    assert poses.shape == (5, 4, 4)
    assert opened.shape == (5,)
    assert opened.dtype == bool
    turned = poses[:, :3, :3]
    np.testing.assert_allclose(
        turned @ turned.swapaxes(1, 2), np.tile(np.eye(3), (5, 1, 1)), atol=1e-9
    )
    assert len(np.unique(poses[:, 0, 3])) == 5


def test_one_draw_is_what_one_candidate_chooses(agent):
    frame = random_frames(0, 1, 8, ["front"])[0]
    agent.begin(3)
    pose, opened = agent.act(frame, "push it")
    agent.begin(3)
    poses, all_opened = agent.draw(frame, "push it", 1)
    np.testing.assert_array_equal(poses[0], pose)
    assert bool(all_opened[0]) is opened
    with pytest.raises(ValueError, match="candidates is 0"):
        agent.draw(frame, "push it", 0)
