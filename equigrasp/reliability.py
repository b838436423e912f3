"""Whether a score is a probability: how often grasps of a score succeed, and how far off that is.

The reliability of a score and its expected calibration error are those of Guo et al. 2017 ("On
calibration of modern neural networks"); bins of equal mass those of Nguyen and O'Connor 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 10


@dataclass(frozen=True, eq=False)
class Reliability:
    """Outcomes by score, in B bins from low to high.

    Attributes:
        edges: (B + 1,) bounds of the bins in [0, 1]; a bin holds its lower bound, the last both.
        count: (B,) attempts in each bin.
        score: (B,) their mean score; NaN in an empty bin.
        success: (B,) share of them that succeeded; NaN in an empty bin.
    """

    edges: NDArray[np.float64]
    count: NDArray[np.int64]
    score: NDArray[np.float64]
    success: NDArray[np.float64]

    @property
    def ece(self) -> float:
        """Expected calibration error in [0, 1]: the mean distance of score and success over the
        bins, weighed by their counts; NaN without attempts."""
        total = int(self.count.sum())
        if not total:
            return float("nan")
        gaps = np.where(self.count > 0, np.abs(self.score - self.success), 0.0)
        return float(self.count @ gaps / total)

    def to_rows(self) -> list[dict[str, Any]]:
        """JSON-able bins that are not empty: low, high, count, score, success."""
        return [
            {
                "low": round(float(self.edges[i]), 4),
                "high": round(float(self.edges[i + 1]), 4),
                "count": int(self.count[i]),
                "score": round(float(self.score[i]), 4),
                "success": round(float(self.success[i]), 4),
            }
            for i in np.flatnonzero(self.count)
        ]


def reliability(
    scores: ArrayLike, outcomes: ArrayLike, bins: int = BINS, *, equal_mass: bool = False
) -> Reliability:
    """Bin attempts by score and compare the score with the share that succeeded.

    Args:
        scores: (n,) predicted probabilities of success in [0, 1].
        outcomes: (n,) whether the attempt succeeded, or a share of successes in [0, 1].
        bins: number of bins.
        equal_mass: bounds at the quantiles of the scores, so that every bin holds about as many
            attempts; equal scores share a bin, which may leave fewer bins. Otherwise bins are
            equally wide over [0, 1], as most published figures are, and some may be empty.

    Raises:
        ValueError: fewer than one bin, arrays of different or of more-dimensional shapes, or values
            that are not in [0, 1].
    """
    if bins < 1:
        raise ValueError(f"bins is {bins}; give at least 1")
    score, outcome = _shares("scores", scores), _shares("outcomes", outcomes)
    if score.shape != outcome.shape:
        raise ValueError(f"{len(score)} scores and {len(outcome)} outcomes; give one of each")
    edges = np.linspace(0.0, 1.0, bins + 1)
    if equal_mass and len(score):
        inner = np.quantile(score, edges[1:-1], method="higher")
        edges = np.unique([0.0, *inner, 1.0])
    last = len(edges) - 2
    where = np.clip(np.searchsorted(edges, score, side="right") - 1, 0, last)
    count = np.bincount(where, minlength=last + 1)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(where, score, minlength=last + 1) / count
        share = np.bincount(where, outcome, minlength=last + 1) / count
    return Reliability(edges, count, mean, share)


def expected_calibration_error(
    scores: ArrayLike, outcomes: ArrayLike, bins: int = BINS, *, equal_mass: bool = False
) -> float:
    """`Reliability.ece` of attempts; see `reliability` for the arguments and errors."""
    return reliability(scores, outcomes, bins, equal_mass=equal_mass).ece


def _shares(name: str, values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}; give one value per attempt, (n,)")
    wrong = array[~((array >= 0.0) & (array <= 1.0))]
    if len(wrong):
        raise ValueError(f"{name} hold {wrong[0]}; give values in [0, 1]")
    return array
