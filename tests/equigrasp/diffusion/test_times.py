"""Draws of times and noise: right one by one, less spread together."""

import pytest
import torch
from scipy.stats import kstest

from equigrasp.diffusion.times import NOISES, TIMES, sample_noise, sample_steps, sample_times


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", TIMES)
def test_every_single_time_is_uniform(kind):
    times = sample_times((4000, 6), kind, generator=seeded())
    assert times.shape == (4000, 6)
    assert times.min() >= 0
    assert times.max() < 1
    for column in times.T:  # also at a fixed place, not only over all
        assert kstest(column.numpy(), "uniform").pvalue > 1e-3


def test_stratified_times_fill_every_stratum_once():
    times = sample_times((50, 16), "stratified", generator=seeded())
    strata = (times * 16).long().sort(1).values
    assert (strata == torch.arange(16)).all()


def test_stratified_means_vary_less():
    spread = {
        kind: sample_times((2000, 8), kind, generator=seeded()).mean(1).var() for kind in TIMES
    }
    assert spread["stratified"] < spread["uniform"] / 20


@pytest.mark.parametrize("kind", TIMES)
def test_steps_cover_the_schedule_evenly(kind):
    steps = sample_steps((3000, 8), 10, kind, generator=seeded())
    share = torch.bincount(steps.flatten(), minlength=10) / steps.numel()
    assert steps.dtype == torch.long
    assert len(share) == 10
    torch.testing.assert_close(share, torch.full((10,), 0.1), rtol=0, atol=0.01)


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("samples", [1, 5, 8])
def test_every_single_noise_is_normal(kind, samples):
    noise = sample_noise((2000, samples, 3), kind, generator=seeded())
    assert noise.shape == (2000, samples, 3)
    for j in range(samples):
        assert kstest(noise[:, j].flatten().numpy(), "norm").pvalue > 1e-3


def test_antithetic_pairs_cancel():
    noise = sample_noise((5, 6, 2), "antithetic", generator=seeded())
    torch.testing.assert_close(noise[:, 0::2], -noise[:, 1::2])


def test_draws_repeat_by_seed_and_unknown_kinds_are_named():
    assert torch.equal(
        sample_times((3, 4), generator=seeded(5)), sample_times((3, 4), generator=seeded(5))
    )
    with pytest.raises(ValueError, match="kind is 'odd'"):
        sample_times((1, 1), "odd", generator=seeded())
    with pytest.raises(ValueError, match="kind is 'odd'"):
        sample_noise((1, 1), "odd", generator=seeded())
    with pytest.raises(ValueError, match="steps is 0"):
        sample_steps((1, 1), 0, generator=seeded())
