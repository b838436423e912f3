"""Intervals of the recorded rates against the exact distribution of what the bootstrap draws."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest, norm

from sim.clutter.metrics import RESAMPLES, bootstrap, dr, gsr, summarise
from sim.keyframes.success_rates import interval

ROUNDS, WINS = 400, 280
SLACK = 0.35
"""Points. The 2.5th percentile of 2,000 draws scatters by 0.13; that of the 5th is 0.72 away."""


def rounds(wins, count, attempts=1, objects=1, seed=0):
    """Rounds of one success or none, which comes first."""
    attempt = {"fate": "SLIPPED", "object": "a", "timings": {}, "success": False}
    return [
        {
            "seed": seed,
            "objects": objects,
            "object_ids": ["a"] * objects,
            "attempts": [{**attempt, "success": i < wins and not n} for n in range(attempts)],
            "lost": [],
            "end": "failures",
        }
        for i in range(count)
    ]


def exact(wins=WINS, count=ROUNDS, share=0.95):
    """Ends of the central share of what drawing `count` rounds with replacement gives."""
    tails = (1 - share) / 2, (1 + share) / 2
    return 100 * binom.ppf(tails, count, wins / count) / count


def test_the_interval_is_the_central_95_percent_of_redrawn_rounds():
    found = bootstrap([rounds(WINS, ROUNDS)], gsr)
    np.testing.assert_allclose(found, exact(), atol=SLACK)
    assert np.abs(np.subtract(found, exact(share=0.9))).min() > SLACK
    assert RESAMPLES == 2000


def test_either_rate_is_divided_by_its_own_denominator():
    """Each round has two attempts and four objects: half and a quarter of the shares."""
    summary = summarise(rounds(WINS, ROUNDS, attempts=2, objects=4))
    np.testing.assert_allclose(summary["gsr"]["interval"], exact() / 2, atol=SLACK / 2)
    np.testing.assert_allclose(summary["dr"]["interval"], exact() / 4, atol=SLACK / 4)
    assert summary["gsr"]["pooled"] == 100 * WINS / (2 * ROUNDS)
    assert summary["dr"]["pooled"] == 100 * WINS / (4 * ROUNDS)


def test_rounds_are_drawn_within_their_seed():
    """A seed without a failure adds nothing to the spread; pooled, the same rounds spread wider."""
    apart = [rounds(ROUNDS, ROUNDS, seed=1), rounds(ROUNDS // 2, ROUNDS)]
    expected = (100 + exact(ROUNDS // 2)) / 2
    np.testing.assert_allclose(bootstrap(apart, gsr), expected, atol=SLACK)
    pooled = exact(3 * ROUNDS // 2, 2 * ROUNDS)
    assert np.abs(np.subtract(expected, pooled)).min() > SLACK
    np.testing.assert_allclose(bootstrap([sum(apart, [])], gsr), pooled, atol=SLACK)


def test_the_interval_counts_rounds_not_attempts():
    """Attempts of one round stand and fall together: no more is known than of so many rounds."""
    tied = rounds(WINS, ROUNDS)
    for record in tied:
        record["attempts"] = record["attempts"] * 10
        record["objects"] = 10
    for rate in (gsr, dr):
        np.testing.assert_allclose(bootstrap([tied], rate), exact(), atol=SLACK)


def test_draws_without_an_attempt_are_left_out_of_the_gsr():
    timid = [{**record, "attempts": []} for record in rounds(0, 3)]
    assert np.isnan(bootstrap([timid], gsr)).all()
    assert bootstrap([timid], dr) == (0.0, 0.0)
    assert bootstrap([[*timid, *rounds(1, 1)]], gsr) == (100.0, 100.0)
    assert np.isnan(bootstrap([], gsr)).all()


@pytest.mark.parametrize(("wins", "count"), [(0, 25), (7, 75), (75, 75), (600, 750)])
def test_success_rates_of_policies_have_wilsons_interval(wins, count):
    """Where a score test at five percent turns: written out, not asked of the same function."""
    low, high = (end / 100 for end in interval(wins, count))
    z = norm.ppf(0.975)
    for end in (low, high):
        if 1e-9 < end < 1 - 1e-9:
            assert abs(wins / count - end) == pytest.approx(z * np.sqrt(end * (1 - end) / count))
    exactly = binomtest(wins, count).proportion_ci(0.95, "exact")
    assert abs(low - exactly.low) < 0.06
    assert abs(high - exactly.high) < 0.06
