"""Rates, denominators and intervals of the clutter benchmark."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.clutter.metrics import bootstrap, counts, dr, gsr, latencies, score_reliability, summarise


def attempt(success, name="a"):
    return {
        "success": success,
        "fate": "SUCCESS" if success else "SLIPPED",
        "object": name if success else None,
        "timings": {"total": 0.1},
    }


def record(outcomes, objects, seed=0, end="cleared", lost=()):
    return {
        "seed": seed,
        "objects": objects,
        "object_ids": ["a"] * objects,
        "attempts": [attempt(o) for o in outcomes],
        "lost": list(lost),
        "end": end,
    }


outcomes = st.lists(st.booleans(), max_size=6)
rounds = st.lists(
    st.tuples(outcomes, st.integers(0, 3)).map(
        lambda t: record(t[0], sum(t[0]) + t[1], seed=len(t[0]) % 2)
    ),
    min_size=1,
    max_size=12,
)


@given(rounds)
def test_rates_are_the_quotients_of_their_counts(records):
    successes, attempts, objects = counts(records)
    if attempts:
        assert gsr(records) == pytest.approx(100 * successes / attempts)
    else:
        assert np.isnan(gsr(records))
    if objects:
        assert dr(records) == pytest.approx(100 * successes / objects)
    summary = summarise(records)
    assert summary["successes"] == successes
    assert summary["attempts"] == attempts
    assert summary["objects"] == objects
    assert summary["seeds"] == len({each["seed"] for each in records})
    json.dumps(summary, allow_nan=False)


def test_a_round_without_a_grasp_lowers_dr_and_leaves_gsr():
    cleared = record([True, True], 2)
    timid = record([], 3, end="no_grasp")
    summary = summarise([cleared, timid])
    assert summary["gsr"]["pooled"] == 100.0
    assert summary["dr"]["pooled"] == 40.0
    assert summary["rounds_without_grasp"] == 1


def test_objects_lost_off_the_table_stay_in_the_denominator():
    summary = summarise([record([True, False], 3, lost=["a"])])
    assert summary["dr"]["pooled"] == pytest.approx(33.33)
    assert summary["objects_lost"] == 1


def test_std_is_the_population_deviation_over_seeds():
    records = [record([True] * 4, 4, seed=0), record([True, False], 4, seed=1)]
    summary = summarise(records)
    assert summary["gsr"]["per_seed"] == [100.0, 50.0]
    assert summary["gsr"]["std"] == 25.0
    assert summary["gsr"]["mean"] == 75.0


def test_bootstrap_covers_the_true_rate_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(60):
        records = [record(list(rng.random(4) < 0.7), 4) for _ in range(40)]
        low, high = bootstrap([records], gsr, resamples=200)
        covered += low <= 70 <= high
    assert covered >= 50


def test_equal_rounds_leave_no_interval():
    assert bootstrap([[record([True, False], 2)] * 5], gsr) == (50.0, 50.0)


def test_latency_percentiles():
    found = latencies([{"total": t / 1000} for t in range(1, 101)])
    assert found["total"]["median"] == 50.5
    assert found["total"]["p95"] == pytest.approx(95.05)


def test_a_seed_without_attempts_is_left_out_of_mean_and_deviation():
    tried = [record([True, False], 2, seed=0), record([True], 1, seed=1)]
    rates = summarise([*tried, record([], 2, seed=2, end="no_grasp")])["gsr"]
    assert rates["per_seed"] == [50.0, 100.0, None]
    assert rates["mean"] == summarise(tried)["gsr"]["mean"] == 75.0
    assert rates["std"] == summarise(tried)["gsr"]["std"]


def test_object_counts():
    found = summarise([record([True, False], 2)])["per_object"]
    assert found == {"a": {"present": 2, "cleared": 1}}


def scored(pairs):
    return [{"score": score, "success": success} for score, success in pairs]


def test_scores_are_compared_with_outcomes():
    honest = scored(
        [(0.25, i % 4 == 0) for i in range(40)] + [(0.75, i % 4 > 0) for i in range(40)]
    )
    assert score_reliability(honest)["ece"] == pytest.approx(0.0, abs=1e-3)
    proud = scored([(0.95, i % 2 == 0) for i in range(40)])
    found = score_reliability(proud)
    assert found["ece"] == pytest.approx(0.45)
    assert found["reliability"] == [
        {"low": 0.95, "high": 1.0, "count": 40, "score": 0.95, "success": 0.5}
    ]


@pytest.mark.parametrize("pairs", [[], [(1.5, True)], [(float("nan"), True), (0.5, True)]])
def test_scores_that_are_no_probabilities_have_no_calibration(pairs):
    assert score_reliability(scored(pairs)) == {"reliability": [], "ece": None}


def test_the_reliability_diagram_shows_every_bin():
    from sim.clutter.pictures import draw_reliability

    pairs = [(score, i < 10 * score) for score in (0.2, 0.5, 0.8) for i in range(10)]
    summary = score_reliability(scored(pairs))
    upper, lower = draw_reliability(summary).axes
    drawn = upper.containers[0].lines[0]
    np.testing.assert_allclose(drawn.get_xdata(), [0.2, 0.5, 0.8])
    np.testing.assert_allclose(drawn.get_ydata(), [0.2, 0.5, 0.8])
    assert [bar.get_height() for bar in lower.patches] == [10, 10, 10]
    assert "0.0 %, 30 attempts" in upper.get_title()
