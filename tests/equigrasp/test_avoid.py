"""Grasps that failed are not proposed again, and what is like them less readily."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from scipy.special import expit, logit

from equigrasp.avoid import avoided, doubt, likeness, still_standing
from equigrasp.candidates import Candidates
from equigrasp.detection import DetectionConfig
from equigrasp.geometry.transforms import inverse_transform, make_transform
from equigrasp.grasp import Grasp
from equigrasp.perception.camera import fixed_view
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.testing import turn_grid, turn_matrix

CONFIG = DetectionConfig()
HALF_TURN = Rotation.from_euler("z", np.pi).as_matrix()
seeds = st.integers(0, 2**32 - 1)


def random_grasps(rng, count):
    """Close together, so that many are alike."""
    rotations = Rotation.from_rotvec(0.4 * rng.standard_normal((count, 3))).as_matrix()
    places = 0.15 + 0.015 * rng.standard_normal((count, 3))
    widths = rng.uniform(0.02, 0.07, count)
    return [Grasp(p, r, float(w), 0.5) for p, r, w in zip(places, rotations, widths, strict=True)]


def as_candidates(grasps):
    columns = ("position", "rotation", "width", "score")
    return Candidates(*(torch.tensor(np.array([getattr(g, c) for g in grasps])) for c in columns))


def one_likeness(grasp, failed):
    """The rule in words, for one pair."""
    turns = (failed.rotation, failed.rotation @ HALF_TURN)
    angle = min(Rotation.from_matrix(grasp.rotation.T @ r).magnitude() for r in turns)
    same = max(
        np.linalg.norm(grasp.position - failed.position) / CONFIG.avoid_distance,
        angle / CONFIG.avoid_angle,
    )
    ends = []
    for g in (grasp, failed):
        half = g.width / 2 * g.rotation[:, 1]
        ends.append((g.position + half, g.position - half))
    (a, b), (c, d) = ends
    gap = np.linalg.norm
    contact = min(max(gap(a - c), gap(b - d)), max(gap(a - d), gap(b - c))) / CONFIG.avoid_contact
    return float(np.clip(2 - min(same, contact), 0, 1))


def one_doubt(grasp, failed):
    """The rule in words: 2.4 logits for each failure within 4 cm, none beyond 8."""
    apart = [np.linalg.norm(grasp.position - f.position) for f in failed]
    return 2.4 * np.interp(apart, [0.04, 0.08], [1, 0]).sum()


def logit_less(score, doubt):
    return expit(logit(score) - doubt)


@given(seeds)
def test_likeness_is_that_of_the_most_similar_pair(seed):
    rng = np.random.default_rng(seed)
    grasps, failed = random_grasps(rng, 8), random_grasps(rng, 3)
    found = likeness(as_candidates(grasps), failed, CONFIG)
    expected = [max(one_likeness(g, f) for f in failed) for g in grasps]
    np.testing.assert_allclose(found, expected, atol=1e-9)


@given(seeds)
def test_the_jaws_half_turn_makes_no_difference(seed):
    rng = np.random.default_rng(seed)
    grasps, failed = random_grasps(rng, 8), random_grasps(rng, 3)
    other = [Grasp(f.position, f.rotation @ HALF_TURN, f.width) for f in failed]
    first, second = (likeness(as_candidates(grasps), f, CONFIG) for f in (failed, other))
    torch.testing.assert_close(first, second)
    turned = [Grasp(g.position, g.rotation @ HALF_TURN, g.width, 0.5) for g in grasps]
    torch.testing.assert_close(likeness(as_candidates(turned), failed, CONFIG), first)


def test_the_same_contacts_from_elsewhere_are_the_same_grasp():
    failed = Grasp([0.15, 0.15, 0.1], np.diag([1.0, -1.0, -1.0]), 0.04)
    tilt = Rotation.from_euler("y", 80, degrees=True).as_matrix()
    wrist = Rotation.from_euler("z", 80, degrees=True).as_matrix()
    others = [Grasp(failed.position, failed.rotation @ r, 0.04, 0.5) for r in (tilt, wrist)]
    assert likeness(as_candidates(others), [failed], CONFIG).tolist() == [1.0, 0.0]


@given(seeds)
def test_doubts_add_up_and_end_at_twice_the_reach(seed):
    rng = np.random.default_rng(seed)
    grasps, failed = (
        [replace(g, position=g.position * 3) for g in random_grasps(rng, n)] for n in (8, 3)
    )
    found = doubt(as_candidates(grasps), failed, CONFIG)
    np.testing.assert_allclose(found, [one_doubt(g, failed) for g in grasps], atol=1e-9)


def test_doubts_rank_hands_again_and_leave_others_as_they_are():
    hands = as_candidates([Grasp([0.1, 0.1, z], np.eye(3), 0.04, 1 - z) for z in (0.0, 0.1, 0.2)])
    ranked = avoided(hands, torch.zeros(3).double(), torch.tensor([2.4, 0.0, 1.0]).double())
    expected = [0.9, logit_less(1 - 1e-6, 2.4), logit_less(0.8, 1.0)]
    order = np.argsort(expected)[::-1]
    np.testing.assert_allclose(ranked.score, np.array(expected)[order])
    np.testing.assert_allclose(ranked.tips[:, 2], np.array([0.1, 0.0, 0.2])[order])


def test_what_was_lifted_takes_the_failures_there_with_it():
    near, far = (Grasp([0.1, 0.1, z], np.eye(3), 0.04) for z in (0.13, 0.15))
    lifted = Grasp([0.1, 0.1, 0.1], np.eye(3), 0.04)
    assert still_standing([near, far], lifted, CONFIG.avoid_reach) == [far]
    assert still_standing([], lifted, CONFIG.avoid_reach) == []


def test_scores_fall_with_likeness_and_are_sorted_again():
    hands = as_candidates([Grasp([0.1, 0.1, z], np.eye(3), 0.04, 1 - z) for z in (0.1, 0.2, 0.3)])
    none = torch.zeros(3).double()
    ranked = avoided(hands, torch.tensor([0.75, 0.0, 0.5]).double(), none)
    torch.testing.assert_close(ranked.score, torch.tensor([0.8, 0.35, 0.225]).double())
    torch.testing.assert_close(ranked.tips[:, 2], torch.tensor([0.2, 0.3, 0.1]).double())


def test_a_failed_grasp_is_not_proposed_again(camera, depth_image, blob_planner):
    view = (depth_image(), camera, fixed_view())
    before = blob_planner().plan(*view)
    best = before.grasps[0]
    after = blob_planner().plan(*view, avoid=[best])
    assert after.reason == "ok"
    assert after.dropped["avoid"] >= 1
    assert all(one_likeness(grasp, best) < 1 for grasp in after.grasps)
    old = {tuple(g.position): g.score for g in before.grasps}
    for grasp in after.grasps:
        left = logit_less(old[tuple(grasp.position)], one_doubt(grasp, [best]))
        expected = left * (1 - one_likeness(grasp, best))
        assert grasp.score == pytest.approx(expected, abs=1e-5)
    scores = [g.score for g in after.grasps]
    assert scores == sorted(scores, reverse=True)


def test_where_nothing_else_is_left_there_is_no_grasp(camera, depth_image, blob_planner):
    view = (depth_image(), camera, fixed_view())
    failed = []
    for _ in range(30):
        result = blob_planner().plan(*view, avoid=failed)
        if not result.grasps:
            break
        failed += result.grasps
    assert (result.grasps, result.reason) == ([], "no_grasp")
    assert result.dropped["avoid"] > 5


def test_failed_grasps_are_given_in_the_frame_of_the_grasps(
    camera, depth_image, blob_planner, assert_same_set
):
    T = make_transform(turn_matrix(1).numpy(), (1.0, -2.0, 0.3))  # T_world_workspace
    plain = blob_planner().plan(depth_image(), camera, fixed_view())
    rest = blob_planner().plan(depth_image(), camera, fixed_view(), avoid=plain.grasps[:2])
    moved = blob_planner().plan(
        depth_image(),
        camera,
        T @ fixed_view(),
        T_workspace_world=inverse_transform(T),
        avoid=[grasp.transformed(T) for grasp in plain.grasps[:2]],
    )
    assert len(rest.grasps) < len(plain.grasps)
    assert_same_set([g.transformed(T) for g in rest.grasps], moved.grasps, 1e-3)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_avoiding_commutes_with_turns(turns, camera, depth_image, blob_planner, assert_same_set):
    tsdf = fuse_tsdf(torch.from_numpy(depth_image()), camera, fixed_view())
    R = turn_matrix(turns).numpy()
    middle = np.array([0.15, 0.15, 0.0])
    T = make_transform(R, middle - R @ middle)
    failed = blob_planner().plan_tsdf(tsdf, level=True).grasps[:2]
    plain = blob_planner().plan_tsdf(tsdf, level=True, avoid=failed)
    turned = blob_planner().plan_tsdf(
        turn_grid(tsdf, turns), level=True, avoid=[g.transformed(T) for g in failed]
    )
    assert_same_set([g.transformed(T) for g in plain.grasps], turned.grasps, 1e-4)
    assert plain.dropped == turned.dropped
    assert plain.dropped["avoid"] >= 2
