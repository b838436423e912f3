"""Training arms on PushT: comparisons by hand, memory, row-wise updates, and runs that go on."""

import itertools
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import pusht
import pusht_tuning
from shared import arm_curves, chunk_arms
from shared.chunk_arms import Arm, Study, kept_megabytes, run_arm
from shared.tuning_tables import both_ways

from equigrasp.policy.chunks.diffusion_policy import DiffusionPolicy
from equigrasp.policy.chunks.fine_tuning import Decisions, Tuner, TuningSettings
from equigrasp.policy.chunks.synthetic import random_observed
from equigrasp.policy.replays.diffusion_policy_files import write_diffusion_policy
from equigrasp.policy.replays.replay import Replay

MODEL = {"denoiser": "mlp", "channels": 16, "hidden": 16, "layers": 1}


def points(*scores):
    return [
        {"step": 10 * i, "minutes": float(i), "score": score, "loss": -score, "near": 0.0}
        for i, score in enumerate(scores, start=1)
    ]


def test_time_counts_until_the_best_of_one_sample_is_reached():
    one = points(10, 30, 40, 35)
    assert pusht.share_of_time(points(20, 45, 50), one, "score", True) == pytest.approx(1.8 / 3)
    assert pusht.share_of_time(points(20, 45, 50), one, "loss", False) == pytest.approx(1.8 / 3)
    assert pusht.share_of_time(points(41, 45), one, "score", True) == pytest.approx(1 / 3)
    assert pusht.share_of_time(one, one, "score", True) == pytest.approx(1)
    assert pusht.share_of_time(points(20, 30, 39), one, "score", True) is None


def test_at_equal_steps_nothing_is_told_of_an_arm_that_was_not_judged_by_then():
    assert arm_curves.at(points(10, 30), "score", 15) == 20
    assert arm_curves.at(points(10, 30), "score", 20) == 30
    assert arm_curves.at(points(10, 30), "score", 9) is None
    assert arm_curves.at(points(10, 30), "score", 21) is None
    slow = [{"step": 3, "minutes": 3.0, "score": 7.0, "loss": 1.0, "near": 0.0}]
    curves = {"state_m1": {"0": points(10, 30)}, "state_m64": {"0": slow}}
    arguments = SimpleNamespace(data=None, batch=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pusht, "memory", lambda *_: 1.0)
        one, many = (pusht.row(arm, curves, arguments) for arm in curves)
    assert (one["score_at_equal_steps"], many["score_at_equal_steps"]) == (None, 7.0)


def test_memory_of_a_step_grows_with_its_samples():
    policy = DiffusionPolicy(**MODEL)
    seen = random_observed("state", 8, dtype=torch.float32)
    batch = {"state": seen.state, "action": torch.zeros(8, 16, 2)}
    few, many = (kept_megabytes(policy, batch, samples) for samples in (1, 64))
    assert 0 < few < many / 10


def test_an_arm_goes_on_where_it_was(tmp_path, monkeypatch):
    ticks = itertools.count()
    clock = SimpleNamespace(process_time=lambda: 0.06 * next(ticks))  # so much for every step
    monkeypatch.setattr(chunk_arms, "time", clock)
    pytest.importorskip("gym_pusht")
    pytest.importorskip("numcodecs")
    random = np.random.default_rng(0)
    arrays = [random.uniform(100, 400, (60, n)).astype(np.float32) for n in (2, 2, 3)]
    write_diffusion_policy(Replay(*arrays, None, None, np.array([30, 60])), tmp_path / "data")
    common = {"batch": 4, "episodes": 1}
    study = Study(tmp_path / "data", MODEL, minutes=4e-3, points=2, **common)
    rows = run_arm(Arm("state", 4, 0), study, tmp_path / "arm")
    assert len(rows) == 2
    assert [row["step"] for row in rows] == [2, 4]
    assert [row["minutes"] for row in rows] == pytest.approx([2e-3, 4e-3])
    assert run_arm(Arm("state", 4, 0), study, tmp_path / "arm") == rows
    longer = Study(tmp_path / "data", MODEL, minutes=6e-3, points=3, **common)
    more = run_arm(Arm("state", 4, 0), longer, tmp_path / "arm")
    assert more[:2] == rows
    assert len(more) == 3


def test_all_rows_of_an_update_cost_what_the_two_level_batch_does():
    torch.manual_seed(0)
    tuner = Tuner(DiffusionPolicy(**MODEL), TuningSettings(chain_steps=4))
    seen = random_observed("state", 6, dtype=torch.float32)
    chain, value = tuner.decide(seen, torch.Generator().manual_seed(0))
    decisions = Decisions(seen, chain.states, chain.log_prob, value, torch.randn(6))
    gained, rows = tuner.gains(decisions), torch.randperm(24)
    ways = (
        lambda: pusht_tuning.two_level(tuner, decisions, gained),
        lambda: pusht_tuning.row_wise(tuner, decisions, gained, rows),
    )
    torch.testing.assert_close(*(way() for way in ways), rtol=1e-5, atol=1e-6)
    named = dict(zip(("two_level", "rows"), ways, strict=True))
    found = both_ways(tuner.policy.encoder, named, 1, len, {"rows": 0.5})  # as if half of them
    assert (found["two_level_encoded"], found["rows_encoded"]) == (6, 48)
