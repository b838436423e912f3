"""How many samples per condition are worth their cost.

The gradient of a sample varies between conditions (variance s_c^2) and within one (s_e^2). A step
of B conditions with M samples each has gradient variance s_c^2 / B + s_e^2 / (B M) and costs
a + c_c B + c_s B M. For a given amount of work the variance is least at
M* = sqrt(c_c / c_s * (1 - rho) / rho) with rho = s_c^2 / (s_c^2 + s_e^2): two-stage sampling
(Cochran, Sampling Techniques, chapter 10).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

LARGEST = 512


@dataclass(frozen=True)
class Suggestion:
    """A proposed M and what it rests on.

    Attributes:
        m: proposed samples per condition, a power of two.
        best: M* before rounding; infinite if conditions do not differ or samples cost nothing.
        cost_condition, cost_sample: seconds per condition (its samples apart) and per sample.
        between, within: gradient variance between and within conditions.
        rho: their share, between / (between + within).
    """

    m: int
    best: float
    cost_condition: float
    cost_sample: float
    between: float
    within: float
    rho: float

    def time_ratio(self, m: int) -> float:
        """Cost of a condition with m samples against one with a single sample."""
        one = self.cost_condition + self.cost_sample
        return (self.cost_condition + m * self.cost_sample) / one

    def variance_ratio(self, m: int) -> float:
        """Gradient variance with m samples per condition against one."""
        return self.rho + (1 - self.rho) / m

    def explain(self) -> str:
        """The reasoning in two sentences."""
        return (
            f"A further sample costs {self.cost_sample / self.cost_condition:.2%} of a condition, "
            f"and {self.rho:.0%} of the gradient's variance lies between conditions, where more "
            f"samples do not help. M = {self.m} (optimum {self.best:.0f}) takes "
            f"{self.time_ratio(self.m):.2f} times the time of M = 1 for "
            f"{self.variance_ratio(self.m):.2f} of its gradient variance."
        )


def suggest_m(
    step_cost: Callable[[int], float],
    gradients: Tensor,
    *,
    conditions: int,
    counts: Sequence[int] = (1, 32),
    largest: int = LARGEST,
) -> Suggestion:
    """Propose the number of samples per condition.

    Args:
        step_cost: seconds of a training step with M samples per condition; called for every one of
            `counts`.
        gradients: (B, M, d) gradient of each sample's loss with respect to some parameters, the
            last layer's for instance; B and M at least 2.
        conditions: B of the steps that `step_cost` times.
        counts: numbers of samples to time, at least two different ones.
        largest: upper limit of the proposal.

    Raises:
        ValueError: too few counts, conditions or samples, or gradients that are not finite.
    """
    counts = sorted(set(counts))
    if len(counts) < 2 or counts[0] < 1:
        raise ValueError(f"counts are {counts}; time at least two different positive numbers")
    if gradients.dim() != 3 or min(gradients.shape[:2]) < 2:
        raise ValueError(
            f"gradients have shape {tuple(gradients.shape)}; give (B, M, d) with B and M at least 2"
        )
    if not bool(torch.isfinite(gradients).all()):
        raise ValueError("gradients contain NaN or infinity; the model has diverged")
    between, within = variance_components(gradients)
    seconds = torch.tensor([step_cost(m) for m in counts], dtype=torch.float64) / conditions
    m = torch.tensor(counts, dtype=torch.float64)
    slope = ((m - m.mean()) * (seconds - seconds.mean())).sum() / ((m - m.mean()) ** 2).sum()
    cost_sample = max(float(slope), 0.0)
    cost_condition = max(float((seconds - slope * m).mean()), 0.0)
    rho = between / (between + within) if between + within else 1.0
    best = optimum(cost_condition, cost_sample, rho)
    rounded = largest if math.isinf(best) else 2 ** round(math.log2(max(best, 1.0)))
    return Suggestion(
        min(rounded, largest), best, cost_condition, cost_sample, between, within, rho
    )


def optimum(cost_condition: float, cost_sample: float, rho: float) -> float:
    """M* of the module's docstring; infinite where nothing speaks against more samples."""
    if rho >= 1:
        return 1.0
    if cost_sample <= 0 or rho <= 0:
        return math.inf
    return math.sqrt(cost_condition / cost_sample * (1 - rho) / rho)


def variance_components(gradients: Tensor) -> tuple[float, float]:
    """Variance between and within conditions of (B, M, d), summed over d: one-way ANOVA.

    The estimate of the former is unbiased and cut at zero.
    """
    values = gradients.double()
    b, m, _ = values.shape
    means = values.mean(1)
    within = ((values - means.unsqueeze(1)) ** 2).sum() / (b * (m - 1))
    of_means = ((means - means.mean(0)) ** 2).sum() / (b - 1)
    return max(float(of_means - within / m), 0.0), float(within)
