"""Clusters of what was seen, the room around hands, and what is told of them in a plan."""

import itertools

import numpy as np
import pytest
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from equigrasp.candidates import Candidates
from equigrasp.clearance import FEW, TOLERANCE, Observed, clearances, collisions
from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA
from equigrasp.measures import joined, measured
from equigrasp.perception.camera import fixed_view
from equigrasp.plan_result import Measures
from equigrasp.testing import turn_matrix
from equigrasp.things import clusters, narrowest
from equigrasp.workspace import WORKSPACE

DOWN = torch.diag(torch.tensor([1.0, -1.0, -1.0]))


def blob(middle, count=200, seed=0, size=0.02):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.asarray(middle) + size * rng.uniform(-1, 1, (count, 3)))


def hands(*tips, width=0.05):
    tips = torch.tensor(tips, dtype=torch.float64).reshape(-1, 3)
    count = len(tips)
    turns = DOWN.double().expand(count, 3, 3)
    return Candidates(tips, turns, torch.full((count,), width).double(), torch.ones(count))


def as_sets(parts):
    return {frozenset(map(tuple, part.round(decimals=9).tolist())) for part in parts}


@pytest.mark.parametrize("seed", range(4))
def test_clusters_are_the_components_of_cells_that_touch(seed):
    points = torch.from_numpy(np.random.default_rng(seed).uniform(0, 0.3, (500, 3)))
    cells = np.floor((points.numpy() - 0.15) / WORKSPACE.voxel)
    pairs = cKDTree(cells).query_pairs(1.8, output_type="ndarray")  # corners touch too
    graph = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(500, 500))
    count, label = connected_components(graph, directed=False)
    parts = [points[torch.from_numpy(label == number)] for number in range(count)]
    expected = as_sets(part for part in parts if len(part) >= 3)
    found = clusters(points, WORKSPACE)
    assert as_sets(found) == expected
    assert [len(each) for each in found] == sorted(map(len, found), reverse=True)


def test_clusters_turn_with_the_points():
    points = torch.cat([blob((0.08, 0.1, 0.07)), blob((0.2, 0.22, 0.07), 90, 1, 0.01)])
    middle = torch.tensor([0.15, 0.15, 0.0], dtype=torch.float64)
    turned = (points - middle) @ turn_matrix(1).double().T + middle
    here, there = clusters(points, WORKSPACE), clusters(turned, WORKSPACE)
    assert [len(each) for each in here] == [len(each) for each in there] == [200, 90]
    for a, b in zip(here, there, strict=True):
        torch.testing.assert_close((a - middle) @ turn_matrix(1).double().T + middle, b)
        assert narrowest(a) == pytest.approx(narrowest(b), abs=1e-12)


def test_no_points_are_no_cluster():
    assert clusters(torch.zeros(0, 3), WORKSPACE) == []
    assert clusters(torch.zeros(2, 3), WORKSPACE) == []  # noise


def test_a_thing_is_as_narrow_as_its_narrowest_side():
    corners = torch.tensor(list(itertools.product((-0.06, 0.06), (-0.02, 0.02), (0, 0.3))))
    angle = torch.tensor(2 * torch.pi / 48 * 7)
    turn = torch.tensor([[angle.cos(), -angle.sin(), 0], [angle.sin(), angle.cos(), 0], [0, 0, 1]])
    assert narrowest(corners @ turn.T) == pytest.approx(0.04, abs=1e-6)


@pytest.mark.parametrize("room", [0.0, 0.004, 0.012, 0.03])
def test_a_hand_is_kept_at_a_clearance_just_if_it_has_that_room(room):
    points = torch.from_numpy(np.random.default_rng(3).uniform(0, 0.3, (400, 3)))
    tips = np.random.default_rng(4).uniform(0.05, 0.25, (40, 3)).tolist()
    these = hands(*tips)
    kept = collisions(these, PANDA, points, room) <= FEW
    assert 0 < kept.sum() < len(kept) or room in (0.03,)
    assert torch.equal(clearances(these, PANDA, points) >= room, kept)


def test_room_is_the_distance_to_what_is_beside_the_hand():
    these = hands((0.15, 0.15, 0.1), width=0.05)
    outside = 0.5 * (0.05 + 0.01) + PANDA.finger_box.upper[1]  # the hand is opened by 1 cm
    wall = torch.tensor([[0.15, 0.15 + outside + 0.02, 0.1 + z / 1000] for z in range(1, 9)])
    assert clearances(these, PANDA, wall).item() == pytest.approx(0.02 + TOLERANCE, abs=1e-6)
    assert clearances(these, PANDA, wall[:FEW]).item() == np.inf  # so few are noise
    assert len(clearances(hands(), PANDA, wall)) == 0


def test_the_cluster_under_a_grasp_is_what_is_between_its_pads():
    left, right = blob((0.08, 0.1, 0.06), size=0.012), blob((0.2, 0.2, 0.06), 90, 1, size=0.012)
    far = blob((0.25, 0.05, 0.06), 300, 2, size=0.01)
    seen = Observed(torch.cat([left, right, far]), torch.cat([left, right, far]))
    these = hands((0.2, 0.2, 0.06), (0.08, 0.1, 0.06), (0.2, 0.2, 0.06), (0.15, 0.05, 0.2))
    told = measured(these, PANDA, seen, WORKSPACE)
    assert told.under.tolist() == [0, 1, 0, -1]
    assert [len(each) for each in told.clusters] == [90, 200, 300]  # by grasps, then by size
    assert as_sets([torch.from_numpy(told.clusters[0])]) == as_sets([right])
    assert measured(hands(), PANDA, seen, WORKSPACE).under.tolist() == []


def windows_on(points, starts):
    """Measures of plans that each see points along 0.225 m of x, whole voxels, with a grasp on
    each of their things."""
    told = []
    for start in starts:
        seen = points[(points[:, 0] >= start) & (points[:, 0] < start + 0.225)]
        found = [each.numpy() for each in clusters(seen, WORKSPACE)]
        told.append(Measures(np.arange(len(found)) / 100, np.arange(len(found)), tuple(found)))
    return told


@pytest.mark.parametrize("seed", range(6))
def test_things_that_several_plans_see_are_told_as_one_look_would(seed):
    rng = np.random.default_rng(seed)
    middles = rng.uniform((0.02, 0.05, 0.06), (0.68, 0.25, 0.1), (8, 3))
    points = torch.cat([blob(m, 150, i, 0.02) for i, m in enumerate(middles)])
    plans = windows_on(points, [0.075 * i for i in range(8)])
    chosen = [(p, g) for p, plan in enumerate(plans) for g in range(len(plan.under))]
    told = joined(plans, chosen, np.eye(4), WORKSPACE.voxel)
    assert as_sets(map(torch.from_numpy, told.clusters)) == as_sets(clusters(points, WORKSPACE))
    assert sum(map(len, told.clusters)) == len(points)  # each of them once
    for number, room, (p, g) in zip(told.under, told.clearances, chosen, strict=True):
        part = plans[p].clusters[g]
        assert (
            as_sets([torch.from_numpy(part)]).pop()
            <= as_sets([torch.from_numpy(told.clusters[number])]).pop()
        )
        assert room == plans[p].clearances[g]
    assert list(dict.fromkeys(told.under.tolist())) == list(range(len(told.clusters)))


def test_plans_that_measured_nothing_join_to_nothing():
    nothing = Measures.unknown(2)
    told = joined([nothing, nothing], [(0, 1), (1, 0)], np.eye(4), WORKSPACE.voxel)
    assert np.isnan(told.clearances).all()
    assert told.under.tolist() == [-1, -1]
    assert told.clusters == ()
    assert joined([], [], np.eye(4), WORKSPACE.voxel).under.tolist() == []


def test_a_plan_tells_them_in_the_frame_of_its_grasps(blob_planner, camera, depth_image):
    planner = blob_planner()
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = turn_matrix(1).numpy(), (1.0, -2.0, 0.3)
    plain = planner.plan(depth_image(), camera, fixed_view())
    moved = planner.plan(
        depth_image(), camera, T @ fixed_view(), T_workspace_world=np.linalg.inv(T)
    )
    assert len(plain.clearances) == len(plain.under) == len(plain) > 1
    np.testing.assert_allclose(moved.clearances, plain.clearances, atol=1e-6)
    np.testing.assert_array_equal(moved.under, plain.under)
    assert len(plain.clusters) == 3
    for here, there in zip(plain.clusters, moved.clusters, strict=True):
        np.testing.assert_allclose(here @ T[:3, :3].T + T[:3, 3], there, atol=1e-6)
    np.testing.assert_allclose(T @ plain.pregrasps(0.07), moved.pregrasps(0.07), atol=1e-6)
    np.testing.assert_allclose(T @ plain.retreats(0.07), moved.retreats(0.07), atol=1e-6)
    for thing, grasp in zip(plain.under, plain, strict=True):
        if thing >= 0:
            away = np.linalg.norm(plain.clusters[thing] - grasp.position, axis=1).min()
            assert away < 0.05


def test_a_hand_leaves_as_in_the_simulated_trial():
    from sim.grasping.trial import pregrasp, retreat_offset

    for angle in (0.0, 0.5, 1.0, 1.1, 1.5):
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) @ np.diag([1.0, -1.0, -1.0])
        grasp = Grasp([0.1, 0.2, 0.1], turn, 0.04)
        T = grasp.T_world_grasp
        np.testing.assert_allclose(grasp.backed(0.05).T_world_grasp, pregrasp(T))
        np.testing.assert_allclose(grasp.retreated().position, T[:3, 3] + retreat_offset(T))
        away = -grasp.approach if angle < np.pi / 3 else np.array([0, 0, 1])
        np.testing.assert_allclose(grasp.retreated(0.3).position - grasp.position, 0.3 * away)
