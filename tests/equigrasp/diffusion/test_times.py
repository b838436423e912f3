"""Random times and steps: right one by one, less spread together."""

import pytest
import torch
from scipy.stats import kstest

from equigrasp.diffusion.times import sample_steps, sample_times


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_every_single_time_is_uniform():
    times = sample_times((4000, 6), seeded())
    assert times.shape == (4000, 6)
    assert times.min() >= 0
    assert times.max() < 1
    for column in times.T:  # also at a fixed place, not only over all
        assert kstest(column.numpy(), "uniform").pvalue > 1e-3


def test_times_fill_every_stratum_once():
    times = sample_times((50, 16), seeded())
    strata = (times * 16).long().sort(1).values
    assert (strata == torch.arange(16)).all()


def test_means_vary_less_than_those_of_independent_times():
    independent = torch.rand(2000, 8, generator=seeded())
    assert sample_times((2000, 8), seeded()).mean(1).var() < independent.mean(1).var() / 20


def test_steps_cover_the_schedule_evenly():
    steps = sample_steps((3000, 8), 10, seeded())
    share = torch.bincount(steps.flatten(), minlength=10) / steps.numel()
    assert steps.dtype == torch.long
    assert len(share) == 10
    torch.testing.assert_close(share, torch.full((10,), 0.1), rtol=0, atol=0.01)


def test_times_repeat_by_seed_and_no_steps_are_refused():
    assert torch.equal(sample_times((3, 4), seeded(5)), sample_times((3, 4), seeded(5)))
    with pytest.raises(ValueError, match="steps is 0"):
        sample_steps((1, 1), 0, seeded())
