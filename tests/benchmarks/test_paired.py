"""Differences of planners that cleared the same rounds."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from shared.paired import difference, markdown, outcomes


def played(path: Path, rounds: list[tuple[int, int, int]], seed: int = 0, names: str = "ab"):
    """`outcomes` of rounds of (successes, attempts, objects), written and read again."""
    lines = [
        {
            "seed": seed,
            "round": number,
            "objects": objects,
            "object_ids": [f"{name}{number}" for name in names],
            "attempts": [{"success": i < successes} for i in range(attempts)],
        }
        for number, (successes, attempts, objects) in enumerate(rounds)
    ]
    path.write_text("\n".join(map(json.dumps, reversed(lines))))
    return outcomes(path)


def random_rounds(rng, skill: float) -> list[tuple[int, int, int]]:
    """Every second round is a hard one, whoever plays it."""
    attempts = rng.integers(6, 8, 60)
    ease = np.tile([1.0, 0.3], 30)
    successes = np.minimum(rng.binomial(attempts, skill * ease), 5)
    return [(int(s), int(a), 5) for s, a in zip(successes, attempts, strict=True)]


def test_agrees_with_scipys_paired_bootstrap(tmp_path):
    rng = np.random.default_rng(1)
    rounds = random_rounds(rng, 0.9), random_rounds(rng, 0.7)
    found = difference(*(played(tmp_path / "rounds.jsonl", r) for r in rounds))
    first, second = map(np.array, rounds)

    def ahead(index):
        a, b = first[index].sum(-2), second[index].sum(-2)
        return 100 * (a[..., 0] / a[..., 1] - b[..., 0] / b[..., 1])

    expected = stats.bootstrap(
        (np.arange(60),), ahead, n_resamples=4000, method="percentile", vectorized=False, rng=rng
    ).confidence_interval
    assert found["rounds"] == 60
    assert found["gsr"][0] == pytest.approx(ahead(np.arange(60)))
    assert found["gsr"][1:] == pytest.approx([expected.low, expected.high], abs=1.0)
    apart = stats.bootstrap(
        (np.arange(60),) * 2,
        lambda a, b: (
            100
            * (first[a].sum(0)[0] / first[a].sum(0)[1] - second[b].sum(0)[0] / second[b].sum(0)[1])
        ),
        n_resamples=1000,
        method="percentile",
        vectorized=False,
        rng=rng,
    ).confidence_interval
    assert found["gsr"][2] - found["gsr"][1] < 0.8 * (apart.high - apart.low)
    assert found["dr"][0] == pytest.approx(100 * (first - second)[:, 0].sum() / 300)


def test_the_same_planner_is_not_ahead_of_itself(tmp_path):
    once = played(tmp_path / "rounds.jsonl", random_rounds(np.random.default_rng(2), 0.8))
    found = difference(once, once)
    assert found["gsr"] == found["dr"] == [0, 0, 0]


def test_only_rounds_with_the_same_objects_count(tmp_path):
    long = played(tmp_path / "rounds.jsonl", [(5, 5, 5), (4, 5, 5), (0, 2, 5)])
    short = played(tmp_path / "rounds.jsonl", [(5, 5, 5), (3, 5, 5)])
    found = difference(long, short)
    assert (found["rounds"], found["gsr"][0]) == (2, pytest.approx(10.0))
    assert difference(long, played(tmp_path / "rounds.jsonl", [(5, 5, 5)], names="xy")) is None
    assert difference(long, played(tmp_path / "rounds.jsonl", [(5, 5, 5)], seed=1)) is None


def test_table_leaves_out_planners_whose_rounds_are_not_kept(tmp_path):
    rounds = played(tmp_path / "rounds.jsonl", [(5, 5, 5), (4, 5, 5)])
    column = {
        "objects": "twins",
        "scene": "pile",
        "protocol": "giga",
        "view": "fixed",
        "depth": "raw",
    }
    row = {**column, "outcomes": rounds}
    older = {**column, "model": "igd"}
    text = markdown([{**row, "model": "equigiga"}, {**row, "model": "giga"}, older])
    ahead = "+0.0 (+0.0 to +0.0)"
    assert text.splitlines()[2:] == [
        f"| twins, pile, giga, fixed, raw | equigiga | giga | 2 | {ahead} | {ahead} |"
    ]
