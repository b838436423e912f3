import numpy as np
import pytest

from equigrasp.policy.replays.tee import GOAL, VERTICES, keypoints, place
from sim.pusht.environment import MAX_STEPS, PushT, published_environment

pytest.importorskip("gym_pusht")


def test_the_seed_alone_decides_the_scene():
    first, other = PushT(), PushT()
    other.reset(3)
    other.step((100, 100))
    for seed in (0, 5):
        a, b = first.reset(seed), other.reset(seed)
        np.testing.assert_array_equal(a.state, b.state)
    assert not np.array_equal(first.reset(1).state, first.reset(2).state)
    assert first.reset(0).image is None


def test_the_state_is_what_the_published_observation_holds():
    published = published_environment()(obs_type="environment_state_agent_pos")
    found, _ = published.reset(seed=11)
    seen = PushT().reset(11)
    np.testing.assert_allclose(seen.state[:2], found["agent_pos"], rtol=1e-6)
    np.testing.assert_allclose(seen.state[2:], found["environment_state"], rtol=1e-6)


def test_pictures_are_those_of_the_published_environment():
    published = published_environment()(obs_type="pixels")
    found, _ = published.reset(seed=11)
    np.testing.assert_array_equal(PushT(images=True).reset(11).image, found)


def test_goal_and_corners_are_the_environments():
    environment = PushT()
    environment.reset(0)
    inner = environment._env
    np.testing.assert_array_equal(inner.goal_pose, GOAL)
    vertices = [v for shape in inner._block_shapes for v in shape.get_vertices()]
    np.testing.assert_array_equal(vertices, VERTICES)
    assert keypoints(GOAL).shape == (16,)
    assert place(VERTICES, GOAL).shape == (8, 2)


def test_an_agent_that_stays_ends_after_300_actions():
    environment = PushT()
    start = environment.reset(0).agent
    outcomes = [environment.step(start) for _ in range(MAX_STEPS)]
    assert [o.done for o in outcomes] == [False] * (MAX_STEPS - 1) + [True]
    assert not any(o.success for o in outcomes)


@pytest.mark.parametrize("action", [[1.0], [1.0, np.nan], [[1.0, 2.0]]])
def test_what_is_no_action_is_refused(action):
    environment = PushT()
    environment.reset(0)
    with pytest.raises(ValueError, match="two numbers"):
        environment.step(action)


def test_pictures_for_people_have_the_size_asked_for():
    environment = PushT()
    environment.reset(0)
    environment.step((256, 256))
    assert environment.picture(128).shape == (128, 128, 3)
