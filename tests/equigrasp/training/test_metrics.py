"""Metrics against torchmetrics, scipy and hand-made cases."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from torchmetrics.functional.classification import binary_auroc, binary_average_precision

from equigrasp.training.metrics import (
    auroc,
    average_precision,
    intersection_over_union,
    rotation_error,
    width_error,
)

# Few distinct scores, so that ties are common.
_RANKINGS = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40)


def _tensors(ranking):
    scores, labels = zip(*ranking, strict=True)
    return torch.tensor(scores) / 8, torch.tensor(labels)


@given(_RANKINGS)
@settings(max_examples=100, deadline=None)
def test_ranking_metrics_agree_with_torchmetrics(ranking):
    scores, labels = _tensors(ranking)
    if labels.any():
        expected = float(binary_average_precision(scores, labels.long()))
        assert average_precision(scores, labels) == pytest.approx(expected, abs=1e-6)
    if labels.any() and not labels.all():
        expected = float(binary_auroc(scores, labels.long()))
        assert auroc(scores, labels) == pytest.approx(expected, abs=1e-6)


@given(_RANKINGS, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_ranking_metrics_ignore_order_and_monotone_maps(ranking, random):
    scores, labels = _tensors(ranking)
    order = torch.tensor(random.sample(range(len(scores)), len(scores)))
    for metric in (average_precision, auroc):
        value = metric(scores, labels)
        changed = metric((3 * scores[order]).exp(), labels[order])
        assert changed == pytest.approx(value, abs=1e-9, nan_ok=True)


def test_perfect_and_reversed_ranking():
    labels = torch.tensor([True, True, False, False, False])
    scores = torch.tensor([0.9, 0.8, 0.3, 0.2, 0.1])
    assert average_precision(scores, labels) == 1.0
    assert auroc(scores, labels) == 1.0
    assert auroc(-scores, labels) == 0.0
    # Reversed: the positives come fourth and fifth.
    assert average_precision(-scores, labels) == pytest.approx((1 / 4 + 2 / 5) / 2)


def test_constant_scores_give_the_prior():
    labels = torch.tensor([True, False, False, True, False])
    scores = torch.full((5,), 0.3)
    assert average_precision(scores, labels) == pytest.approx(0.4)
    assert auroc(scores, labels) == pytest.approx(0.5)


def test_missing_classes_give_nan():
    scores = torch.rand(4)
    assert math.isnan(average_precision(scores, torch.zeros(4)))
    assert math.isnan(auroc(scores, torch.zeros(4)))
    assert math.isnan(auroc(scores, torch.ones(4)))


def test_bad_scores_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        average_precision(torch.tensor([0.1, math.nan]), torch.tensor([1, 0]))
    with pytest.raises(ValueError, match="1-D"):
        auroc(torch.zeros(2, 2), torch.zeros(2, 2))


@given(st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_rotation_error_is_scipys_angle_to_the_nearest_allowed_target(seed):
    rng = np.random.default_rng(seed)
    predicted = Rotation.random(6, random_state=rng)
    targets = Rotation.random(18, random_state=rng)
    allowed = rng.random((6, 3)) < 0.6
    allowed[:, 0] |= ~allowed.any(1)
    half_turn = Rotation.from_rotvec([0, 0, math.pi])
    expected = np.empty((6, 3))
    for i in range(6):
        for k in range(3):
            target = targets[3 * i + k]
            expected[i, k] = min(
                (predicted[i].inv() * target).magnitude(),
                (predicted[i].inv() * target * half_turn).magnitude(),
            )
    expected[~allowed] = math.inf
    angle, yaw = rotation_error(
        torch.from_numpy(predicted.as_matrix()),
        torch.from_numpy(targets.as_matrix()).reshape(6, 3, 3, 3),
        torch.from_numpy(allowed),
    )
    np.testing.assert_allclose(angle, expected.min(1), atol=1e-6)
    np.testing.assert_array_equal(yaw, expected.argmin(1))


def test_rotation_error_needs_an_allowed_yaw():
    eye = torch.eye(3)
    with pytest.raises(ValueError, match="allowed yaw"):
        rotation_error(eye[None], eye[None, None], torch.zeros(1, 1, dtype=torch.bool))


def test_width_error_takes_the_chosen_yaw():
    targets = torch.tensor([[0.01, 0.02], [0.03, 0.05]])
    error = width_error(torch.tensor([0.03, 0.03]), targets, torch.tensor([1, 0]))
    torch.testing.assert_close(error, torch.tensor([0.01, 0.0]))


def test_intersection_over_union():
    a = torch.tensor([True, True, False, False])
    b = torch.tensor([True, False, True, False])
    assert intersection_over_union(a, b) == pytest.approx(1 / 3)
    assert intersection_over_union(a, a) == 1.0
    assert intersection_over_union(~a & a, ~a & a) == 1.0
