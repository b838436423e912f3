"""Coverage of right answers by draws, against answers that are known."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from shared.answers import answer_numbers, coverage, coverage_of_chance, draw_scenes, hits

ANSWERS = np.array([[0.1, 0.0, 0.9], [0.3, 0.1, 0.9]])


def scene(draws, answers=ANSWERS):
    cloud = np.zeros((4, 3))
    return {
        "draws": np.asarray(draws, float),
        "answers": np.asarray(answers, float),
        "sentence": "stack two red blocks",
        "xyz": cloud,
        "rgb": cloud,
    }


def test_a_hit_ends_at_two_centimetres():
    near, far = ANSWERS[0] + [0.019, 0, 0], ANSWERS[0] + [0.021, 0, 0]
    assert hits(np.array([near, far]), ANSWERS).tolist() == [[True, False], [False, False]]


def test_coverage_counts_groups_of_draws():
    a, b, nowhere = *ANSWERS, [9, 9, 9]
    one = scene([a, a, b, nowhere])
    assert coverage([one], 1) == pytest.approx(3 / 8)  # a half each of three draws, nothing once
    assert coverage([one], 2) == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert coverage([one], 4) == 1.0
    assert coverage([one, scene([nowhere] * 4)], 4) == 0.5
    numbers = answer_numbers([one])
    assert numbers["draws_at_a_right_answer"] == 0.75
    assert numbers["draws_rarest_answer"] == 0.25
    assert "draws_coverage_n8" not in numbers


@pytest.mark.parametrize("count", [1, 4, 8])
def test_chance_is_what_draws_that_all_hit_come_to(count):
    random = np.random.default_rng(0)
    three = np.array([[0.1, 0, 1], [0.2, 0, 1], [0.3, 0, 1]])
    found = scene(three[random.integers(3, size=12_000)], three)
    assert coverage([found], count) == pytest.approx(coverage_of_chance([found], count), abs=0.02)


def test_a_picture_is_made(tmp_path):
    draw_scenes([scene([ANSWERS[0]] * 4)], tmp_path / "draws.png")
    assert (tmp_path / "draws.png").stat().st_size > 10_000
