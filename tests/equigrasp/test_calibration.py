"""The map from scores to probabilities: increasing, invertible, and the one that made the data."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import expit, logit

from equigrasp.calibration import SHIFTS, SLOPES, Calibration, circumstances, fit
from equigrasp.reliability import expected_calibration_error

slopes = st.floats(0.2, 5.0)
maps = st.builds(Calibration, slopes, slopes, st.floats(-3.0, 3.0))
scores = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=20)


@given(maps, scores)
def test_order_is_kept_and_the_ends_stay(calibration, values):
    p = calibration(np.sort(values))
    assert (np.diff(p) >= 0).all()
    assert ((p >= 0) & (p <= 1)).all()
    assert calibration([0.0, 1.0]).tolist() == [0.0, 1.0]
    assert calibration.inverse([0.0, 1.0]).tolist() == [0.0, 1.0]


@given(maps)
def test_it_increases_strictly_where_scores_lie(calibration):
    assert (np.diff(calibration(np.linspace(0.001, 0.999, 200))) > 0).all()


@example(Calibration(1.0, 0.21875, 0.0), 0.99609375)  # of a score within 1e-11 of 1
@given(maps, st.floats(1e-6, 1 - 1e-6))
def test_the_inverse_undoes_it(calibration, p):
    # Near 1 scores are doubles of few digits of 1 - score: no next one may fit better.
    found = calibration.inverse(p)
    below, above = (float(calibration(np.nextafter(found, end))) for end in (0.0, 1.0))
    assert below * (1 - 1e-9) <= p <= above * (1 + 1e-9)
    if found < 1 - 1e-6:
        assert float(calibration(found)) == pytest.approx(p, rel=1e-9)


def test_formula():
    s = 0.3
    expected = expit(2.0 * np.log(s) - 0.5 * np.log(1 - s) + 0.7)
    assert float(Calibration(2.0, 0.5, 0.7)(s)) == pytest.approx(expected, rel=1e-12)


def test_the_identity_changes_no_bit():
    values = np.random.default_rng(0).random(100)
    assert Calibration().is_identity
    np.testing.assert_array_equal(Calibration()(values), values)
    np.testing.assert_array_equal(Calibration().inverse(values), values)


@pytest.mark.parametrize("seed", range(3))
def test_fitting_finds_the_map_that_drew_the_outcomes(seed):
    rng = np.random.default_rng(seed)
    truth = Calibration(1.5, 0.6, -0.8)
    values = rng.uniform(0.05, 0.98, 20000)
    found = fit(values, rng.random(len(values)) < truth(values), {"objects": "made up"})
    test = np.linspace(0.05, 0.98, 50)
    np.testing.assert_allclose(found(test), truth(test), atol=0.03)
    assert found.fitted_on["objects"] == "made up"
    assert found.fitted_on["ece"] < 0.02 < found.fitted_on["ece_before"]
    assert found.fitted_on["grasps"] == 20000


def test_a_confident_score_is_calibrated_on_fresh_attempts():
    rng = np.random.default_rng(1)
    truth = rng.uniform(0.05, 0.95, (2, 400))
    score, outcome = expit(3 * logit(truth) + 1), rng.random((2, 400)) < truth
    found = fit(score[0], outcome[0])
    fresh = expected_calibration_error(found(score[1]), outcome[1])
    assert fresh < 0.5 * expected_calibration_error(score[1], outcome[1])


def test_outcomes_that_a_threshold_separates_stay_within_bounds():
    values = np.linspace(0.0, 1.0, 40)
    found = fit(values, values > 0.5)
    for value, (low, high) in zip(
        (found.a, found.b, found.c), (SLOPES, SLOPES, SHIFTS), strict=True
    ):
        assert low <= value <= high
    assert 0 < found(0.1) < 0.2
    assert 0.8 < found(0.9) < 1


@pytest.mark.parametrize("outcomes", [np.ones(100), np.zeros(100), np.arange(10) % 2])
def test_what_tells_nothing_is_refused(outcomes):
    with pytest.raises(ValueError, match="play more scenes"):
        fit(np.linspace(0, 1, len(outcomes)), outcomes)


def test_circumstances_are_those_of_the_drawing():
    down, level = np.diag([1.0, -1.0, -1.0]), np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    tips = [[0.1, 0.2, 0.10], [0.2, 0.1, 0.15]]
    about = circumstances(tips, [down, level], [0.08, 0.02], opening=0.08, table_height=0.05)
    np.testing.assert_allclose(about, [[0.0, 0.3, 0.5], [0.5, -0.7, -0.25]], atol=1e-12)


def test_fitting_finds_what_circumstances_are_worth():
    rng = np.random.default_rng(4)
    truth = Calibration(1.5, 0.6, -0.8, pose={"height": -2.0, "down": 1.0, "width": 3.0})
    values, about = rng.uniform(0.05, 0.98, 20000), rng.normal(scale=0.4, size=(20000, 3))
    success = rng.random(20000) < truth(values, about)
    found, blind = fit(values, success, about=about), fit(values, success)
    assert found.pose == pytest.approx(dict(truth.pose), rel=0.12)
    assert not blind.pose
    likelihood = [
        np.log(np.where(success, p, 1 - p)).mean()
        for p in (found(values, about), blind(values), truth(values, about))
    ]
    assert likelihood[0] > likelihood[1] + 0.05
    assert likelihood[0] == pytest.approx(likelihood[2], abs=2e-3)


def test_cards():
    calibration = Calibration(2.0, 0.5, 0.1, {"objects": "x"}, {"down": 0.5})
    card = {"calibration": calibration.to_dict()}
    assert Calibration.of_card(card) == calibration
    assert Calibration.of_card(card).fitted_on == {"objects": "x"}
    assert Calibration.of_card({}).is_identity
    for wrong in (
        {"a": -1.0},
        {"a": "x"},
        {"b": float("nan")},
        {"d": 1.0},
        3,
        {"pose": {"x": 1.0}},
        {"pose": {"down": 99.0}},
        {"pose": [1.0]},
    ):
        with pytest.raises(ValueError, match="calibration"):
            Calibration.of_card({"calibration": wrong})
