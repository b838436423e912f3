"""From scores to probabilities of success: a map of a few numbers, increasing in the score.

Beta calibration (Kull, Silva Filho and Flach, AISTATS 2017): logit p = a ln s - b ln(1 - s) + c.
With a, b > 0 the map keeps the order of scores, its inverse exists, and a = b = 1, c = 0 is the
identity; temperature scaling is the case a = b. So few numbers cannot follow the noise of a few
hundred attempts, as isotonic regression can.

What holds hangs on more than the score: labels count any touch on the way as a failure, and so they
promise too little of wide openings, which touch and still hold, and too much of hands high up on
heavy things. The logit therefore has a linear term in what is known of every hand, its
`circumstances`; they are invariant to turns about the vertical, and so is the order of grasps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.home import typed
from equigrasp.optional import require
from equigrasp.reliability import expected_calibration_error

SLOPES = (0.02, 50.0)
"""Bounds of a and b: the map stays strictly increasing, in floating point too."""
SHIFTS = (-20.0, 20.0)
"""Bounds of c."""
CIRCUMSTANCES = ("height", "down", "width")
"""Known of every hand: height of the tips over the table in units of 10 cm, less 0.5; cosine of the
angle from the approach to straight down, less 0.7; opening as a share of the widest, less 0.5. They
are near 0 for an ordinary hand."""
PULLS = (-10.0, 10.0)
"""Bounds of their weights."""
RIDGE = 3e-4
"""Penalty of squared weights of circumstances, per mean log-likelihood, when a map is fitted."""
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
        pose: weights of `CIRCUMSTANCES` by name, in logits; those that are missing are 0.

    Raises:
        ValueError: a number that is not within its bounds.
    """

    a: float = 1.0
    b: float = 1.0
    c: float = 0.0
    fitted_on: Mapping[str, Any] = field(default_factory=dict, compare=False)
    pose: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.pose, Mapping) or not set(self.pose) <= set(CIRCUMSTANCES):
            raise ValueError(
                f"calibration has pose = {self.pose!r}; it holds weights of "
                f"{', '.join(CIRCUMSTANCES)}; fit it again with {typed('-m sim.calibrate')}"
            )
        bounds = {"a": SLOPES, "b": SLOPES, "c": SHIFTS} | dict.fromkeys(self.pose, PULLS)
        for name, (low, high) in bounds.items():
            value = self.pose[name] if name in self.pose else getattr(self, name)
            if not isinstance(value, int | float) or not low <= value <= high:
                raise ValueError(
                    f"calibration has {name} = {value!r}, which must lie in [{low}, {high}]; "
                    f"fit it again with {typed('-m sim.calibrate')}"
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
        if not isinstance(values, Mapping) or not set(values) <= {
            *("a", "b", "c", "pose", "fitted_on")
        }:
            raise ValueError(
                f"the card's calibration is {values!r}; it holds a, b, c, pose and fitted_on"
            )
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form for a card; `of_card` is its inverse."""
        numbers = {"a": self.a, "b": self.b, "c": self.c, "pose": dict(self.pose)}
        return {**numbers, "fitted_on": dict(self.fitted_on)}

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return (self.a, self.b, self.c) == (1.0, 1.0, 0.0) and not any(self.pose.values())

    def __call__(self, scores: ArrayLike, about: ArrayLike | None = None) -> Array:
        """Probabilities (...) of scores (...) in [0, 1]; 0 and 1 stay what they are.

        Args:
            scores: of hands.
            about: their circumstances (..., 3), see `circumstances`; None for ordinary hands.
        """
        scores = np.asarray(scores, dtype=np.float64)
        if self.is_identity:
            return scores.copy()
        weights = [self.pose.get(name, 0.0) for name in CIRCUMSTANCES]
        pull = 0.0 if about is None else np.asarray(about, np.float64) @ weights
        return expit(self._logits(scores) + pull)

    def inverse(self, probabilities: ArrayLike) -> Array:
        """Scores (...) of probabilities (...) in [0, 1] of ordinary hands, by bisection."""
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
        middle = 0.5 * (low + high)
        # Near 1 the nearest double counts: a score's distance to 1 has few digits there.
        found = np.where(middle > 0, 1.0 - expit(-middle), expit(middle))
        return np.where(wanted <= 0.0, 0.0, np.where(wanted >= 1.0, 1.0, found))

    def _logits(self, scores: Array) -> Array:
        with np.errstate(divide="ignore"):  # 0 and 1 have logits without bound
            return self.a * np.log(scores) - self.b * np.log1p(-scores) + self.c


def circumstances(
    tips: ArrayLike, rotation: ArrayLike, width: ArrayLike, opening: float, table_height: float
) -> Array:
    """What a map looks at beside the score: (N, 3), in the order of `CIRCUMSTANCES`.

    Args:
        tips: (N, 3) between the finger tips, metres in the workspace frame.
        rotation: (N, 3, 3), columns x, y (closing), z (approach).
        width: (N,) opening, metres.
        opening: widest of the hand, metres.
        table_height: metres.
    """
    height = (np.asarray(tips, np.float64)[..., 2] - table_height) / 0.1 - 0.5
    down = -np.asarray(rotation, np.float64)[..., 2, 2] - 0.7
    return np.stack([height, down, np.asarray(width, np.float64) / opening - 0.5], -1)


def fit(
    scores: ArrayLike,
    success: ArrayLike,
    fitted_on: Mapping[str, Any] | None = None,
    about: ArrayLike | None = None,
) -> Calibration:
    """The map of greatest likelihood.

    Successes count as (n + 1) / (n + 2) of one and failures as 1 / (m + 2), with n and m their
    numbers (Platt 1999), so that outcomes which a threshold separates give no infinite slope.

    Args:
        scores: (N,) in [0, 1], as the planner gives them with the identity.
        success: (N,) bool.
        fitted_on: to be kept with the map; the numbers of grasps and successes and the expected
            calibration errors before and after are added.
        about: (N, 3) `circumstances`; None fits a map of the score alone.

    Raises:
        ValueError: fewer than `FEWEST` attempts, or all of them with the same outcome.
    """
    minimize = require("scipy.optimize", "fitting a calibration").minimize
    score, outcome = np.asarray(scores, dtype=np.float64), np.asarray(success, dtype=bool)
    before = expected_calibration_error(score, outcome)
    good = int(outcome.sum())
    if len(score) < FEWEST or good in (0, len(score)):
        raise ValueError(
            f"{good} of {len(score)} attempts succeeded; a calibration needs at least {FEWEST} "
            "attempts with both outcomes: play more scenes, or try poorer grasps (--floor)"
        )
    share = np.where(outcome, (good + 1) / (good + 2), 1 / (len(score) - good + 2))
    inside = np.clip(score, EDGE, 1 - EDGE)
    known = np.zeros((len(score), 0)) if about is None else np.asarray(about, np.float64)
    columns = np.stack([np.log(inside), -np.log1p(-inside), np.ones_like(inside), *known.T])

    def loss(x: Array) -> tuple[float, Array]:
        z, pull = x @ columns, np.where(np.arange(len(x)) < 3, 0.0, x)
        value = -(share * log_expit(z) + (1 - share) * log_expit(-z)).mean()
        slope = columns @ (expit(z) - share) / len(z)
        return value + RIDGE * pull @ pull, slope + 2 * RIDGE * pull

    start, bounds = [1.0, 1.0, 0.0], [SLOPES, SLOPES, SHIFTS]
    count = known.shape[1]
    best = minimize(loss, start + [0.0] * count, jac=True, bounds=bounds + [PULLS] * count).x
    a, b, c, *pulls = (float(v) for v in best)
    found = Calibration(a, b, c, pose=dict(zip(CIRCUMSTANCES, pulls, strict=False)))
    after = expected_calibration_error(found(score, about), outcome)
    told = {"grasps": len(score), "successes": good, "ece_before": before, "ece": after}
    told = {key: round(value, 4) for key, value in told.items()}
    return replace(found, fitted_on={**(fitted_on or {}), **told})


def log_expit(z: Array) -> Array:
    """Logarithm of the sigmoid of logits (...)."""
    return -np.logaddexp(0.0, -z)


def expit(z: Array) -> Array:
    """Sigmoid of logits (...)."""
    return np.exp(log_expit(z))
