"""Figures of what is left where rounds end, from what was told of each."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from left_standing import in_words, summary

ABOUT = {"model": "mine", "scene": "pile", "objects": "limit"}


def row(oracle, held, scores=(0.9, 0.5, 0.2)):
    return {
        "oracle": oracle,
        "unweighed": False,
        "first": held[0],
        "eight": any(held),
        "scores": list(scores),
        "held": list(held),
    }


def test_shares_are_of_the_rounds_that_ended_with_things_left():
    told = [row(True, (False, True, False)), row(False, (False, False, False))]
    found = summary(told, 8)
    assert found.pop("area") == pytest.approx((0.5 + 2) / 5, abs=1e-6)
    expected = {"ended": 25, "oracle": 50, "unweighed": 0, "first": 0, "eight": 50, "tried": 6}
    assert found == expected
    text = in_words({"rounds": 8, **summary(told, 8)}, ABOUT)
    assert "25 % end with things left" in text
    assert "one of its best 8 in 50 %" in text
    assert "6 grasps tried there: 0.50" in text


def test_outcomes_that_are_all_alike_have_no_curve():
    numbers = summary([row(True, (True, True, True))], 1)
    assert numbers["area"] is None
    assert "curve" not in in_words({"rounds": 1, **numbers}, ABOUT)


def test_where_every_table_is_cleared_there_is_nothing_to_ask():
    numbers = summary([], 5)
    assert numbers["ended"] == 0
    assert numbers["oracle"] is None
    assert in_words({"rounds": 5, **numbers}, ABOUT).endswith("0 % end with things left.")
