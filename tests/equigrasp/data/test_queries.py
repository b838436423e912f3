"""Choice of labelled points, and negatives that need no simulation."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from equigrasp.data.queries import balanced_choice, free_negatives
from equigrasp.data.synthetic import random_primitives, synthetic_scene
from equigrasp.hand import PANDA
from equigrasp.workspace import WORKSPACE


@given(
    st.lists(st.booleans(), max_size=60),
    st.integers(1, 40),
    st.floats(0, 1),
    st.integers(0, 2**31),
)
def test_balanced_choice(labels, count, share, seed):
    positive = np.array(labels, bool)
    chosen = balanced_choice(positive, count, share, np.random.default_rng(seed))
    assert len(set(chosen.tolist())) == len(chosen) == min(count, len(labels))
    taken = int(positive[chosen].sum())
    wanted = min(int(positive.sum()), round(share * count))
    negatives = int((~positive).sum())
    # More than the share of positives only where the negatives ran out.
    assert taken >= wanted if len(labels) >= count else taken == positive.sum()
    assert taken == wanted or len(chosen) - taken == negatives


def _gap(shape, points):
    """Distance from points to a shape, negative inside."""
    local = (points - shape.centre) @ shape.rotation
    if not shape.box:
        return np.linalg.norm(local, axis=-1) - shape.half[0]
    outside = np.abs(local) - shape.half
    return np.linalg.norm(np.maximum(outside, 0), axis=-1) + np.minimum(outside.max(-1), 0)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_free_negatives_cannot_be_grasps(seed):
    shapes = random_primitives(np.random.default_rng([seed, 0]))
    scene = synthetic_scene(seed, grasps=1, occupancy_points=10_000)
    inside = scene.occ_points[scene.occ].astype(np.float32)
    rng = np.random.default_rng(seed)
    points = free_negatives(inside, 24, 0.05, rng)
    assert 12 <= len(points) <= 24
    assert ((points >= 0) & (points <= WORKSPACE.side)).all()
    gap = np.min([_gap(shape, points) for shape in shapes], 0)
    below = points[:, 2] < WORKSPACE.table_height
    # Palm inside an object, below the table, or no object within reach of the closed volume.
    assert ((gap < 2e-3) | below | (gap > np.hypot(0.05, 0.04))).all()
    # A query at the tip itself may lie inside an object: that is what a good grasp looks like.
    tips = free_negatives(inside, 24, 0.0, rng)
    gap = np.min([_gap(shape, tips) for shape in shapes], 0)
    assert ((tips[:, 2] < WORKSPACE.table_height) | (gap > np.hypot(0.05, 0.04))).all()


def test_a_larger_hand_reaches_further():
    """What is out of reach, and whether the palm is at the query point, follow the hand."""
    inside = np.full((1, 3), 0.15, np.float32)
    palm = ((-0.1, -0.1, -0.2), (0.1, 0.1, -0.1))
    large = replace(PANDA, finger_depth=0.1, opening=0.14, palm_box=palm)

    def nearest(hand):
        points = free_negatives(inside, 400, 0.05, np.random.default_rng(0), hand)
        above = points[points[:, 2] >= WORKSPACE.table_height]
        return np.linalg.norm(above - 0.15, axis=1).min()

    assert nearest(PANDA) == 0.0
    assert nearest(large) > np.hypot(0.05, 0.07)


def test_free_negatives_of_an_empty_table():
    points = free_negatives(np.zeros((0, 3), np.float32), 5, 0.05, np.random.default_rng(0))
    assert points.shape == (5, 3)
    many = free_negatives(np.zeros((0, 3), np.float32), 60, 0.05, np.random.default_rng(0))
    assert 0.6 < (many[:, 2] > WORKSPACE.table_height).mean() < 0.98  # anywhere in the cube
