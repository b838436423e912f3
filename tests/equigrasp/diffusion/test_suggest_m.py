"""The proposed M on costs and variances that are known."""

import math

import pytest
import torch

from equigrasp.diffusion.suggest_m import optimum, suggest_m, variance_components


def gradients(between, within, b=400, m=50, d=3):
    generator = torch.Generator().manual_seed(0)
    of_condition = between**0.5 * torch.randn(b, 1, d, generator=generator)
    of_sample = within**0.5 * torch.randn(b, m, d, generator=generator)
    return of_condition + of_sample


@pytest.mark.parametrize(("between", "within"), [(1.0, 4.0), (0.2, 2.0), (0.0, 1.0)])
def test_variance_components_are_recovered(between, within):
    found = variance_components(gradients(between, within))
    assert found[0] == pytest.approx(3 * between, rel=0.15, abs=0.02)
    assert found[1] == pytest.approx(3 * within, rel=0.05)


def test_the_proposal_follows_the_formula():
    cost = lambda m: 0.5 + 8 * (0.77 + 0.001 * m)  # noqa: E731
    found = suggest_m(cost, gradients(0.05, 0.95), conditions=8)
    fixed = 0.5 / 8 + 0.77  # what does not depend on M belongs to the conditions
    assert found.cost_sample == pytest.approx(0.001)
    assert found.cost_condition == pytest.approx(fixed)
    assert found.rho == pytest.approx(0.05, abs=0.01)
    expected = math.sqrt(fixed / 0.001 * (1 - found.rho) / found.rho)
    assert found.best == pytest.approx(expected)
    assert found.m == 128
    assert found.time_ratio(64) == pytest.approx((fixed + 0.064) / (fixed + 0.001))
    assert found.variance_ratio(1) == 1
    assert "M = 128" in found.explain()


def test_the_formula_minimises_variance_at_given_work():
    cost_condition, cost_sample, rho = 3.0, 0.02, 0.1
    best = optimum(cost_condition, cost_sample, rho)

    def product(m):
        return (cost_condition + cost_sample * m) * (rho + (1 - rho) / m)

    assert all(product(best) <= product(m) for m in range(1, 300))


def test_limits():
    assert suggest_m(lambda m: 1.0, gradients(0.1, 0.9), conditions=4, largest=64).m == 64
    assert suggest_m(lambda m: float(m), gradients(0.1, 0.9), conditions=4).m == 1
    same = torch.ones(3, 2, 2)
    assert suggest_m(lambda m: 1.0 + 0.1 * m, same, conditions=3).m == 1


def test_unusable_input_is_named():
    good = gradients(0.1, 0.9, b=4, m=4)
    with pytest.raises(ValueError, match="counts"):
        suggest_m(lambda m: 1.0, good, conditions=4, counts=(8, 8))
    with pytest.raises(ValueError, match="at least 2"):
        suggest_m(lambda m: 1.0, good[:, :1], conditions=4)
    with pytest.raises(ValueError, match="NaN"):
        suggest_m(lambda m: 1.0, good * math.nan, conditions=4)


def test_variance_within_two_samples_is_unbiased():
    assert variance_components(gradients(1.0, 4.0, b=20_000, m=2))[1] == pytest.approx(12, rel=0.03)
