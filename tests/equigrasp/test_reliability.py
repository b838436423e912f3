"""Binning of scores against outcomes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equigrasp.reliability import expected_calibration_error, reliability

SHARES = st.floats(0.0, 1.0, allow_subnormal=False)
ATTEMPTS = st.lists(st.tuples(SHARES, st.booleans()), min_size=1, max_size=60)


def brute_force(scores, outcomes, edges):
    """Calibration error, attempt by attempt: every bin's members are looked for on their own."""
    total = 0.0
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        last = high == edges[-1]
        inside = [i for i, s in enumerate(scores) if low <= s < high or (last and s == high)]
        if inside:
            gap = np.mean([scores[i] for i in inside]) - np.mean([outcomes[i] for i in inside])
            total += len(inside) * abs(gap)
    return total / len(scores)


@given(ATTEMPTS, st.integers(1, 12), st.booleans())
def test_error_is_the_one_found_bin_by_bin(attempts, bins, equal_mass):
    scores, outcomes = zip(*attempts, strict=True)
    found = reliability(scores, outcomes, bins, equal_mass=equal_mass)
    assert found.count.sum() == len(scores)
    assert found.ece == pytest.approx(brute_force(scores, outcomes, found.edges), abs=1e-12)


@given(ATTEMPTS, st.booleans(), st.randoms(use_true_random=False))
def test_order_does_not_matter(attempts, equal_mass, random):
    shuffled = random.sample(attempts, len(attempts))
    first, second = (
        reliability(*zip(*each, strict=True), equal_mass=equal_mass)
        for each in (attempts, shuffled)
    )
    np.testing.assert_array_equal(first.count, second.count)
    assert first.ece == pytest.approx(second.ece, abs=1e-12)


def test_a_score_that_is_the_probability_has_little_error_and_a_proud_one_has_its_pride():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.2, 0.8, 20_000)
    outcome = rng.random(20_000) < truth
    for equal_mass in (False, True):
        assert expected_calibration_error(truth, outcome, equal_mass=equal_mass) < 0.02
        proud = expected_calibration_error(truth + 0.15, outcome, equal_mass=equal_mass)
        assert proud == pytest.approx(0.15, abs=0.02)


def test_bins_of_equal_mass_hold_equally_many_and_equal_scores_share_one():
    scores = np.linspace(0.9, 0.99, 100)
    assert set(reliability(scores, scores > 0.95, equal_mass=True).count) == {10}
    assert reliability([0.7] * 30, [True] * 30, equal_mass=True).count.max() == 30


def test_rows_leave_empty_bins_out_and_bounds_belong_to_the_bin_above():
    rows = reliability([0.1, 0.5, 1.0], [False, True, True]).to_rows()
    assert [(row["low"], row["count"], row["success"]) for row in rows] == [
        (0.1, 1, 0.0),
        (0.5, 1, 1.0),
        (0.9, 1, 1.0),
    ]


def test_nothing_attempted_is_no_calibration():
    assert np.isnan(expected_calibration_error([], []))
    assert reliability([], [], equal_mass=True).to_rows() == []


@pytest.mark.parametrize(
    ("scores", "outcomes", "bins", "message"),
    [
        ([0.5], [1.0], 0, "bins is 0; give at least 1"),
        ([0.5, 0.6], [1.0], 10, "2 scores and 1 outcomes"),
        ([1.5], [1.0], 10, r"scores hold 1.5; give values in \[0, 1\]"),
        ([float("nan")], [1.0], 10, "scores hold nan"),
        ([[0.5]], [1.0], 10, r"scores has shape \(1, 1\)"),
    ],
)
def test_unusable_input_is_named(scores, outcomes, bins, message):
    with pytest.raises(ValueError, match=message):
        reliability(scores, outcomes, bins)
