"""The hand against the observed surface: brute force over all boxes and points as the oracle."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.candidates import Candidates
from equigrasp.clearance import (
    TOLERANCE,
    Observed,
    collisions,
    points_between,
    unseen_share,
)
from equigrasp.hand import PANDA, Box
from equigrasp.hand_boxes import OPENED, SWEEP, box_distance, nearer, swept
from equigrasp.testing import turn_grid, turn_matrix
from equigrasp.workspace import WORKSPACE

LOPSIDED = replace(PANDA, name="lopsided", finger_box=Box((-0.004, 0.0, -0.05), (0.02, 0.015, 0.0)))
seeds = st.integers(0, 2**32 - 1)
hand_kinds = st.sampled_from([PANDA, LOPSIDED])


def random_hands(rng, count):
    return Candidates(
        torch.tensor(rng.uniform(0.08, 0.22, (count, 3))),
        torch.tensor(Rotation.random(count, random_state=rng.integers(2**31)).as_matrix()),
        torch.tensor(rng.uniform(0.01, 0.08, count)),
        torch.zeros(count).double(),
    )


def boxes_of(hand, width):
    """Corners of both fingers and the palm of an open hand with its way, written out."""
    (x0, _, z0), (x1, y1, z1) = hand.finger_box
    half = min(width + OPENED, hand.opening) / 2
    left = ((x0, half, z0 - SWEEP), (x1, half + y1, z1))
    right = ((-x1, -half - y1, z0 - SWEEP), (-x0, -half, z1))
    low, high = hand.palm_box
    return [left, right, ((*low[:2], low[2] - SWEEP), high)]


def in_frame(hands, index, points):
    return (points - hands.tips[index].numpy()) @ hands.rotation[index].numpy()


@given(seeds)
def test_distance_to_a_box(seed):
    rng = np.random.default_rng(seed)
    low = rng.uniform(-0.1, 0.0, 3)
    high = low + rng.uniform(0.02, 0.1, 3)
    points = rng.uniform(-0.2, 0.2, (50, 3))
    outside = np.linalg.norm(points - np.clip(points, low, high), axis=1)
    inside = np.minimum(points - low, high - points).min(1)
    expected = np.where(inside > 0, -inside, outside)
    found = box_distance(torch.tensor(points.T), Box(tuple(low), tuple(high)))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    solid = trimesh.creation.box(bounds=[low, high])
    np.testing.assert_array_equal(found < 0, solid.contains(points))


@given(seeds, hand_kinds, st.sampled_from([0.0, TOLERANCE]))
def test_collisions_are_points_in_any_of_three_boxes(seed, hand, clearance):
    rng = np.random.default_rng(seed)
    hands, points = random_hands(rng, 4), rng.uniform(0.0, 0.3, (300, 3))
    found = collisions(hands, hand, torch.tensor(points), clearance)
    shrink = TOLERANCE - clearance
    for index in range(4):
        local = in_frame(hands, index, points)
        hit = np.zeros(len(points), bool)
        for low, high in boxes_of(hand, float(hands.width[index])):
            hit |= ((local > np.add(low, shrink)) & (local < np.subtract(high, shrink))).all(1)
        assert found[index] == hit.sum()


@given(seeds)
def test_clearance_is_a_distance_around_the_boxes(seed):
    rng = np.random.default_rng(seed)
    hands, points = random_hands(rng, 3), rng.uniform(0.0, 0.3, (300, 3))
    found = collisions(hands, PANDA, torch.tensor(points), TOLERANCE + 0.02)
    for index in range(3):
        local = in_frame(hands, index, points)
        gaps = [
            np.linalg.norm(local - np.clip(local, low, high), axis=1)
            for low, high in boxes_of(PANDA, float(hands.width[index]))
        ]
        assert found[index] == (np.min(gaps, 0) < 0.02).sum()


@given(seeds, st.sampled_from([-0.01, 0.0, 0.02]))
def test_nearer_is_a_distance_below_a_limit(seed, limit):
    rng = np.random.default_rng(seed)
    local = torch.tensor(rng.uniform(-0.15, 0.15, (3, 200)))
    shift = torch.tensor(rng.uniform(0.0, 0.04, 200))
    near = nearer(local, PANDA.finger_box, shift, limit)
    assert torch.equal(near, box_distance(local, PANDA.finger_box, shift) < limit)


@given(seeds, hand_kinds, st.sampled_from([40, 60]))
def test_unseen_share_is_that_of_places_in_the_hand(seed, hand, side):
    """Places a centimetre apart, one by one; hands near the walls reach out of the cube."""
    rng = np.random.default_rng(seed)
    hands = random_hands(rng, 3)
    unseen = rng.random((side,) * 3) < 0.2
    found = unseen_share(hands, hand, torch.tensor(unseen), WORKSPACE, fingers=True)
    for index in range(3):
        shares = []
        for low, high in boxes_of(hand, float(hands.width[index])):
            counts = np.maximum(1, np.round(np.subtract(high, low) / 0.01 + 1e-6)).astype(int)
            at = np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), -1).reshape(-1, 3)
            places = low + (at + 0.5) / counts * np.subtract(high, low)
            world = places @ hands.rotation[index].numpy().T + hands.tips[index].numpy()
            cells = np.floor(world / WORKSPACE.side * side).astype(int)
            inside = ((cells >= 0) & (cells < side)).all(1)
            shares.append(unseen[tuple(cells[inside].T)].sum() / len(places))
        assert float(found[index]) == pytest.approx(max(shares), abs=1e-6)


@given(seeds, hand_kinds)
def test_points_between_the_pads(seed, hand):
    rng = np.random.default_rng(seed)
    hands, points = random_hands(rng, 4), rng.uniform(0.05, 0.25, (1000, 3))
    found = points_between(hands, hand, torch.tensor(points))
    (x0, _, z0), (x1, _, z1) = hand.finger_box
    for index in range(4):
        x, y, z = in_frame(hands, index, points).T
        half = min(float(hands.width[index]) + OPENED, hand.opening) / 2
        across = np.where(y < 0, (-x1 < x) & (x < -x0), (x0 < x) & (x < x1))
        assert found[index] == (across & (np.abs(y) < half) & (z0 < z) & (z < z1)).sum()


@given(seeds, st.integers(1, 3))
def test_all_of_it_commutes_with_turns(seed, turns):
    rng = np.random.default_rng(seed)
    hands = random_hands(rng, 6)
    points = torch.tensor(rng.uniform(0.0, 0.3, (3000, 3)))
    unseen = torch.tensor(rng.random((40, 40, 40)) < 0.3)
    R = turn_matrix(turns).double()
    middle = torch.tensor([0.15, 0.15, 0.0], dtype=torch.float64)

    def turn(p):
        return (p - middle) @ R.T + middle

    turned = hands._replace(tips=turn(hands.tips), rotation=R @ hands.rotation)
    for measure in (
        lambda h, p, _: collisions(h, PANDA, p, 0.01),
        lambda h, p, _: points_between(h, PANDA, p),
        lambda h, _, u: unseen_share(h, PANDA, u, WORKSPACE, fingers=True),
        lambda h, _, u: unseen_share(h, PANDA, u, WORKSPACE, fingers=False),
    ):
        plain = measure(hands, points, unseen)
        assert plain.any()
        assert torch.equal(plain, measure(turned, turn(points), turn_grid(unseen, turns)))


def test_the_half_turn_of_the_jaw_changes_nothing():
    rng = np.random.default_rng(0)
    hands, points = random_hands(rng, 20), torch.tensor(rng.uniform(0.0, 0.3, (500, 3)))
    half = torch.diag(torch.tensor([-1.0, -1.0, 1.0])).double()
    other = hands._replace(rotation=hands.rotation @ half)
    lopsided = replace(LOPSIDED, palm_box=PANDA.palm_box)
    torch.testing.assert_close(
        collisions(hands, lopsided, points, 0.01), collisions(other, lopsided, points, 0.01)
    )
    torch.testing.assert_close(
        points_between(hands, lopsided, points), points_between(other, lopsided, points)
    )


def test_unseen_share_of_a_known_part():
    """From above, half of the palm's breadth over the unseen side of the cube."""
    hands = Candidates(
        torch.tensor([[0.15, 0.15, 0.15]]),
        torch.diag(torch.tensor([1.0, -1.0, -1.0]))[None],
        torch.tensor([0.04]),
        torch.tensor([1.0]),
    )
    unseen = torch.zeros(40, 40, 40, dtype=torch.bool)
    unseen[:, 20:] = True
    palm = unseen_share(hands, PANDA, unseen, WORKSPACE, fingers=False)
    # The way of the palm ends above the cube, whose outside does not count.
    low, high = swept(PANDA.palm_box).lower[2], PANDA.palm_box.upper[2]
    inside = (0.15 + high) / (high - low)
    assert float(palm) == pytest.approx(0.5 * inside, abs=0.04)
    # One of the fingers is in it whichever half of the cube it is.
    assert float(unseen_share(hands, PANDA, unseen, WORKSPACE, fingers=True)) == 1.0
    unseen[:, :20] = True
    unseen[:, 20:] = False
    assert float(unseen_share(hands, PANDA, unseen, WORKSPACE, fingers=True)) == 1.0
    nothing = torch.zeros_like(unseen)
    assert not unseen_share(hands, PANDA, nothing, WORKSPACE, fingers=True).any()


def test_a_volume_shows_surface_and_unseen_space():
    tsdf = torch.ones(40, 40, 40)
    tsdf[:, :, 10], tsdf[:, :, :10] = 0.5, 0.0
    seen = Observed.of_volume(tsdf, "full", WORKSPACE, floor=0.08, unseen=True)
    assert seen.points.shape == (1600, 3)
    assert seen.objects.shape == (0, 3)
    torch.testing.assert_close(seen.points[:, 2], torch.full((1600,), 10.5 * 0.0075))
    assert torch.equal(seen.unseen, tsdf == 0)
    with pytest.raises(ValueError, match="published"):
        Observed.of_volume(tsdf, "published", WORKSPACE, floor=None, unseen=True)
