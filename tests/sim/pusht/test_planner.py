import numpy as np
import pytest

from equigrasp.policy.replays.tee import AGENT_RADIUS, GOAL, OUTLINE, place
from sim.pusht.environment import PushT
from sim.pusht.planner import Planner, PushModel, distance_home, outline_points
from sim.pusht.routes import Obstacle, length_of, targets_along

pytest.importorskip("gym_pusht")
shapely = pytest.importorskip("shapely")


def test_points_lie_on_the_outline_and_normals_point_outward():
    points, normals = outline_points(15.0)
    tee = shapely.Polygon(OUTLINE)
    assert len(points) == 32
    for point, normal in zip(points, normals, strict=True):
        assert tee.exterior.distance(shapely.Point(point)) < 1e-9
        assert not tee.contains(shapely.Point(point + 0.5 * normal))
        assert tee.contains(shapely.Point(point - 0.5 * normal))


@pytest.mark.parametrize("seed", range(8))
def test_ways_lead_around_the_t(seed):
    random = np.random.default_rng(seed)
    pose = np.array([*random.uniform(180, 330, 2), random.uniform(0, 6.28)])
    obstacle = Obstacle(pose)
    tee = shapely.Polygon(place(OUTLINE, pose))
    free = [p for p in random.uniform(20, 490, (30, 2)) if obstacle.clear(p)]
    start, end = free[:2]
    route = obstacle.route(start, end)
    np.testing.assert_allclose(route[[0, -1]], [start, end])
    assert tee.distance(shapely.LineString(route)) > AGENT_RADIUS
    assert length_of(route) >= np.linalg.norm(end - start) - 1e-9


def test_from_a_touch_the_way_leads_off_and_into_the_t_there_is_none():
    obstacle = Obstacle(GOAL)
    tip = place([(0.0, 120.0 + AGENT_RADIUS)], GOAL)[0]
    assert not obstacle.clear(tip)
    route = obstacle.route(tip, np.array([40.0, 40.0]))
    assert obstacle.clear(route[1])
    assert obstacle.route(np.array([40.0, 40.0]), tip) is None


def test_targets_are_equally_far_apart_and_end_where_the_way_ends():
    route = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 50.0]])
    targets = targets_along(route, 28.0)
    assert len(targets) == 6
    np.testing.assert_allclose(targets[-1], route[-1])
    np.testing.assert_allclose(targets[:4, 0], [25, 50, 75, 100])


def test_the_model_does_what_the_environment_does():
    environment = PushT()
    seen = environment.reset(5)
    targets = np.linspace(seen.agent, seen.block[:2], 8)
    played = [environment.step(target).seen for target in targets]
    agent, block = PushModel().trace(seen.agent, seen.block, targets)
    np.testing.assert_allclose(agent, [s.agent for s in played], atol=1e-6)
    turned = np.array([s.block for s in played]) - block
    turned[:, 2] = (turned[:, 2] + np.pi) % (2 * np.pi) - np.pi
    assert np.abs(turned).max() < 0.5
    assert np.abs(block[-1] - block[0]).max() > 1.0  # the T was pushed


def test_a_trace_forgets_the_one_before():
    model, seen = PushModel(), PushT().reset(5)
    targets = np.linspace(seen.agent, seen.block[:2], 8)
    first = model.trace(seen.agent, seen.block, targets)
    model.trace(seen.agent, seen.block, targets[::-1])
    for one, other in zip(first, model.trace(seen.agent, seen.block, targets), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_chosen_push_brings_the_t_nearer_as_promised():
    environment = PushT()
    seen = environment.reset(2)
    before = distance_home(seen.block)
    planner = Planner(np.random.default_rng(0))
    for target in planner.targets(seen):
        seen = environment.step(target).seen
    assert distance_home(seen.block) < before - 20


def test_home_is_where_the_goal_is():
    assert distance_home(GOAL) == 0
    assert distance_home(GOAL + [3.0, 4.0, 0.0]) == pytest.approx(5.0)
    assert distance_home(GOAL + [0.0, 0.0, 2 * np.pi]) == pytest.approx(0.0, abs=1e-9)
