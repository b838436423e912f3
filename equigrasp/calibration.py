"""From scores to probabilities of success: a strictly increasing map of three numbers.

Beta calibration (Kull, Silva Filho and Flach, AISTATS 2017): logit p = a ln s - b ln(1 - s) + c.
With a, b > 0 the map keeps the order of scores, its inverse exists, and a = b = 1, c = 0 is the
identity; temperature scaling is the case a = b. Three numbers cannot follow the noise of a few
hundred attempts, as isotonic regression can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.reliability import expected_calibration_error

SLOPES = (0.02, 50.0)
"""Bounds of a and b: the map stays strictly increasing, in floating point too."""
SHIFTS = (-20.0, 20.0)
"""Bounds of c."""
FEWEST = 30
"""Fewer attempts than this tell nothing about a probability."""
EDGE = 1e-6
"""Scores nearer to 0 or 1 than this count as this near when a map is fitted."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """The map from score to probability; without arguments the identity.

    Attributes:
        a, b: slopes at low and at high scores.
        c: shift in logits.
        fitted_on: what it was fitted on, JSON-able: objects, number of grasps, errors there.

    Raises:
        ValueError: a number that is not within its bounds.
    """

    a: float = 1.0
    b: float = 1.0
    c: float = 0.0
    fitted_on: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        for name, (low, high) in {"a": SLOPES, "b": SLOPES, "c": SHIFTS}.items():
            value = getattr(self, name)
            if not isinstance(value, int | float) or not low <= value <= high:
                raise ValueError(
                    f"calibration has {name} = {value!r}, which must lie in [{low}, {high}]; "
                    "fit it again with python -m sim.calibrate"
                )

    @classmethod
    def of_card(cls, card: Mapping[str, Any]) -> Calibration:
        """What a model's card holds under `calibration`; the identity if it holds none.

        Raises:
            ValueError: unknown entries, or numbers beyond their bounds.
        """
        values = card.get("calibration")
        if values is None:
            return cls()
        if not isinstance(values, Mapping) or not set(values) <= {"a", "b", "c", "fitted_on"}:
            raise ValueError(
                f"the card's calibration is {values!r}; it holds a, b, c and fitted_on"
            )
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form for a card; `of_card` is its inverse."""
        return {"a": self.a, "b": self.b, "c": self.c, "fitted_on": dict(self.fitted_on)}

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return (self.a, self.b, self.c) == (1.0, 1.0, 0.0)

    def __call__(self, scores: ArrayLike) -> Array:
        """Probabilities (...) of scores (...) in [0, 1]; 0 and 1 stay what they are."""
        scores = np.asarray(scores, dtype=np.float64)
        return scores.copy() if self.is_identity else expit(self._logits(scores))

    def inverse(self, probabilities: ArrayLike) -> Array:
        """Scores (...) of probabilities (...) in [0, 1], by bisection of their logits."""
        wanted = np.asarray(probabilities, dtype=np.float64)
        if self.is_identity:
            return wanted.copy()
        # Beyond 40 a logit's sigmoid is 0 or 1 in double precision, whichever way it is turned.
        low, high = np.full_like(wanted, -800.0), np.full_like(wanted, 40.0)
        with np.errstate(divide="ignore"):
            target = np.log(wanted) - np.log1p(-wanted)
        for _ in range(70):
            middle = 0.5 * (low + high)
            above = self.a * log_expit(middle) - self.b * log_expit(-middle) + self.c > target
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        found = expit(0.5 * (low + high))
        return np.where(wanted <= 0.0, 0.0, np.where(wanted >= 1.0, 1.0, found))

    def _logits(self, scores: Array) -> Array:
        with np.errstate(divide="ignore"):  # 0 and 1 have logits without bound
            return self.a * np.log(scores) - self.b * np.log1p(-scores) + self.c


def fit(
    scores: ArrayLike, success: ArrayLike, fitted_on: Mapping[str, Any] | None = None
) -> Calibration:
    """The map of greatest likelihood.

    Successes count as (n + 1) / (n + 2) of one and failures as 1 / (m + 2), with n and m their
    numbers (Platt 1999), so that outcomes which a threshold separates give no infinite slope.

    Args:
        scores: (N,) in [0, 1], as the planner gives them with the identity.
        success: (N,) bool.
        fitted_on: to be kept with the map; the numbers of grasps and successes and the expected
            calibration errors before and after are added.

    Raises:
        ValueError: fewer than `FEWEST` attempts, or all of them with the same outcome.
    """
    from scipy.optimize import minimize  # a planner only applies maps

    score, outcome = np.asarray(scores, dtype=np.float64), np.asarray(success, dtype=bool)
    before = expected_calibration_error(score, outcome)
    good = int(outcome.sum())
    if len(score) < FEWEST or good in (0, len(score)):
        raise ValueError(
            f"{good} of {len(score)} attempts succeeded; a calibration needs at least {FEWEST} "
            "attempts with both outcomes: play more scenes, or lower the threshold"
        )
    share = np.where(outcome, (good + 1) / (good + 2), 1 / (len(score) - good + 2))
    inside = np.clip(score, EDGE, 1 - EDGE)
    columns = np.stack([np.log(inside), -np.log1p(-inside), np.ones_like(inside)])

    def loss(x: Array) -> tuple[float, Array]:
        z = x @ columns
        value = -(share * log_expit(z) + (1 - share) * log_expit(-z)).mean()
        return value, columns @ (expit(z) - share) / len(z)

    best = minimize(loss, (1.0, 1.0, 0.0), jac=True, bounds=(SLOPES, SLOPES, SHIFTS)).x
    found = Calibration(*(float(v) for v in best))
    after = expected_calibration_error(found(score), outcome)
    told = {"grasps": len(score), "successes": good, "ece_before": before, "ece": after}
    told = {key: round(value, 4) for key, value in told.items()}
    return Calibration(found.a, found.b, found.c, {**(fitted_on or {}), **told})


def log_expit(z: Array) -> Array:
    """Logarithm of the sigmoid of logits (...)."""
    return -np.logaddexp(0.0, -z)


def expit(z: Array) -> Array:
    """Sigmoid of logits (...)."""
    return np.exp(log_expit(z))
