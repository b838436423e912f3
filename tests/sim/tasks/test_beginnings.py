"""Scenes with several right answers: which they are, and that a policy's draws come back."""

import numpy as np
import pytest

from equigrasp.policy.saved import load_policy
from sim.keyframes.environment import TaskEnvironment
from sim.keyframes.rollout import drawn_beginnings


@pytest.fixture(scope="module")
def environment():
    with TaskEnvironment(cameras=()) as made:
        yield made


def test_every_block_is_a_right_beginning_and_leads_to_the_goal(environment):
    environment.reset("stack_blocks", 1, 3)  # three blocks
    beginnings = environment.task.beginnings()
    assert len(beginnings) == len(environment.task.blocks) == 3
    for turn, beginning in enumerate(beginnings):
        environment.reset("stack_blocks", 1, 3)
        task = environment.task
        task.blocks = [*task.blocks[turn:], *task.blocks[:turn]]
        way = task.waypoints()
        first = next(way)
        np.testing.assert_allclose(first.pose, beginning.pose)
        environment.act(first.pose, first.open)
        for waypoint in way:
            environment.act(waypoint.pose, waypoint.open)
        assert environment.succeeded()


def test_draws_of_a_scene_come_back_with_its_answers():
    found, again = (
        drawn_beginnings("mini_diffuser_tasks", "stack_blocks", 0, 1, count, {"steps": 2})
        for count in (6, 6)
    )
    assert found["draws"].shape == (6, 3)
    assert found["answers"].shape == (3, 3)
    assert found["sentence"].startswith("stack three")
    assert found["xyz"].shape == found["rgb"].shape
    gaps = np.linalg.norm(found["xyz"][:, None, :2] - found["answers"][None, :, :2], axis=-1)
    assert (gaps.min(0) < 0.03).all()  # there is something below each of them
    for name in ("draws", "answers", "xyz"):
        np.testing.assert_array_equal(found[name], again[name])
    assert len(np.unique(found["draws"], axis=0)) == 6
    card = load_policy("mini_diffuser_tasks").card
    assert "stack_blocks" in card["tasks"]
