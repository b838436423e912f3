"""What the comparison of labellers counts: agreement over everything, and costs of either alone."""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from labelling import figures, headline
from shared.labellers import agreement_counts

from equigrasp.data.vocabulary import Fate
from sim.grasping.label import Labels

SUMS = {
    "scenes": 4,
    "points": 100,
    "yaws": 500,
    "equal_points": 90,
    "equal_yaws": 470,
    "positives_reference": 20,
    "positives_fast": 18,
    "simulated": 150,
    "audited": 10,
    "audit_reversed": 1,
    "seconds": Counter(
        build=2.0, render=1.0, propose=1.0, occupancy=4.0, reference=80.0, fast=16.0
    ),
    "holding": {},
}


def labels(*fates, audited=()):
    """Labels of points, each given as the fates of its five yaws."""
    made = Labels.blank(len(fates))
    made.yaw_fate[:] = fates
    made.yaw_success[:] = np.array(fates) == Fate.SUCCESS
    for at in audited:
        made.yaw_audited[at] = True
    return made


S, C, L, E = Fate.SUCCESS, Fate.STATIC_COLLISION, Fate.SLIPPED, Fate.EMPTY_REGION


def test_failures_that_both_see_and_successes_that_both_see_count_alike():
    reference = labels([S, L, L, L, L], [L] * 5, [S, S, L, L, L], [L] * 5)
    fast = labels([L, S, C, C, L], [E] * 5, [C, L, L, L, L], [S, L, L, L, L], audited=[(1, 0)])
    found = agreement_counts(reference, fast)
    assert (found["points"], found["yaws"]) == (4, 20)
    assert found["equal_points"] == 2  # the first two: some yaw, and none
    assert found["equal_yaws"] == 20 - 2 - 2 - 1
    assert (found["positives_reference"], found["positives_fast"]) == (2, 2)
    assert found["differences"] == {
        "SUCCESS>SLIPPED": 2,
        "SLIPPED>SUCCESS": 2,
        "SUCCESS>STATIC_COLLISION": 1,
    }
    assert (found["audited"], found["audit_reversed"]) == (1, 0)
    assert found["simulated"] == 20 - 8  # what geometry refuses needs no trial


def test_an_audit_that_overturns_the_geometry_is_told():
    reference, fast = labels([S] * 5), labels([S, S, L, C, L], audited=[(0, 0), (0, 2)])
    found = agreement_counts(reference, fast)
    assert (found["audited"], found["audit_reversed"], found["simulated"]) == (2, 1, 2)


def test_rates_are_quotients_of_their_sums():
    found = figures(SUMS)
    assert found["agreement"] == 0.9
    assert found["yaw_agreement"] == 0.94
    assert found["speedup"] == 5.0
    assert found["scene_speedup"] == (8.0 + 80.0) / (8.0 + 16.0)
    assert found["points_per_core_second_reference"] == 1.25
    assert found["points_per_core_second_fast"] == 6.25
    assert found["scenes_per_core_second_fast"] == pytest.approx(4 / 24)
    assert found["scenes_per_core_second_reference"] == pytest.approx(4 / 88)
    assert found["bias"] == pytest.approx(-0.1)
    assert found["simulated_yaws_per_point"] == 1.5
    assert (found["positive_rate_reference"], found["positive_rate_fast"]) == (0.2, 0.18)
    with pytest.raises(ValueError, match="no grasp was labelled"):
        figures({**SUMS, "points": 0})


def test_the_headline_is_of_the_worse_kind():
    other = {**SUMS, "equal_points": 80, "seconds": {**SUMS["seconds"], "fast": 8.0}}
    row = {"good": 200, "good_holds": 0.9}
    few = {"good": 20, "good_holds": 0.1}
    kinds = {"packed": figures(SUMS), "pile": figures({**other, "positives_fast": 25})}
    kinds["packed"]["holding"], kinds["pile"]["holding"] = [row, few], [{**row, "good_holds": 0.8}]
    found = headline(kinds)
    assert (found["agreement"], found["speedup"], found["bias"]) == (0.8, 5.0, 0.25)
    assert found["scene_speedup"] == pytest.approx(88 / 24)
    assert (found["holds"], found["agreement_packed"]) == (0.8, 0.9)
