"""The policies that come with the package."""

import numpy as np
import pytest

from equigrasp.policy.agent import KeyframeAgent
from equigrasp.policy.episodes.synthetic import random_frames
from equigrasp.policy.saved import SHIPPED_POLICIES, find_policy
from equigrasp.weights import shipped_names


@pytest.mark.parametrize("name", shipped_names(SHIPPED_POLICIES))
def test_a_shipped_policy_acts_and_tells_what_it_learned_from(name):
    weights, _ = find_policy(name)
    assert weights.stat().st_size < 20e6
    agent = KeyframeAgent.load(name, candidates=2, steps=2)
    card = agent.policy.card
    assert card["name"] == name
    assert card["licence"] == "Apache-2.0"
    assert card["train_episodes"] > 10 * len(card["tasks"])
    assert card["validation"]["correct"] > 0.5
    frame = random_frames(0, 1, agent.image_size, agent.cameras)[0]
    pose, _ = agent.act(frame, "open the top drawer")
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-9)


def test_there_is_one():
    assert "mini_diffuser_tasks" in shipped_names(SHIPPED_POLICIES)
