"""Learning rate and weight averaging."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equigrasp.training.schedule import learning_rate, update_average


@given(st.integers(0, 50), st.integers(51, 500), st.floats(0, 1))
def test_rate_rises_then_falls_within_bounds(warmup, total, floor):
    rates = [
        learning_rate(step, peak=2.0, warmup=warmup, total=total, floor=floor)
        for step in range(total + 1)
    ]
    assert all(0 < rate <= 2.0 + 1e-12 for rate in rates[:total])
    assert all(a < b + 1e-12 for a, b in zip(rates[:warmup], rates[1 : warmup + 1], strict=True))
    assert all(a >= b - 1e-12 for a, b in zip(rates[warmup:], rates[warmup + 1 :], strict=False))
    assert rates[warmup] == pytest.approx(2.0)
    assert rates[total] == pytest.approx(2.0 * floor, abs=1e-9)


def test_rate_is_torchs_cosine_after_warmup():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    oracle = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40)
    for step in range(40):
        ours = learning_rate(step, peak=1.0, warmup=0, total=40)
        assert ours == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        oracle.step()


def test_rate_is_torchs_steps():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=2.0)
    oracle = torch.optim.lr_scheduler.MultiStepLR(optimizer, [20, 33], gamma=0.1)
    for step in range(40):
        options = {"decay_at": (0.5, 0.825), "decay_factor": 0.1}
        ours = learning_rate(step, peak=2.0, warmup=0, total=40, schedule="step", **options)
        assert ours == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        oracle.step()


def test_a_constant_rate_stays_after_warmup():
    options = {"peak": 3.0, "warmup": 4, "total": 10, "schedule": "constant"}
    assert [learning_rate(step, **options) for step in (0, 3, 4, 9)] == [0.75, 3.0, 3.0, 3.0]


def test_average_is_the_weighted_sum_of_the_past():
    model, average = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    average.requires_grad_(False)
    expected = average.weight.clone()
    for step in range(1, 200):
        with torch.no_grad():
            model.weight.fill_(math.sin(step))
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * model.weight.detach()
        update_average(average, model, 0.9, step)
        torch.testing.assert_close(average.weight.detach(), expected)


def test_average_copies_buffers_and_zero_decay_copies_all():
    model, average = torch.nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3)
    model(torch.randn(8, 3))
    with torch.no_grad():
        model.weight.uniform_()
    update_average(average, model, 0.0, 1)
    for ours, theirs in zip(
        average.state_dict().values(), model.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("decay_at", [(), (0.2, 0.5)])
def test_a_constant_rate_stays_whatever_the_shares_are(decay_at):
    options = {"peak": 2.0, "warmup": 3, "total": 20, "schedule": "constant"}
    rates = [
        learning_rate(step, **options, decay_at=decay_at, decay_factor=0.1) for step in range(3, 40)
    ]
    assert rates == [2.0] * 37
