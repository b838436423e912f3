"""Hands that a plan weighs: what a model predicts at peaks of its quality, as tensors."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from equigrasp.calibration import Calibration, circumstances
from equigrasp.grasp import Grasp
from equigrasp.models.base import judges


class Candidates(NamedTuple):
    """P hands, best first.

    Attributes:
        tips: (P, 3) between the finger tips, metres in the workspace frame.
        rotation: (P, 3, 3), columns x, y (closing), z (approach).
        width: (P,) opening, metres.
        score: (P,) in [0, 1].
    """

    tips: Tensor
    rotation: Tensor
    width: Tensor
    score: Tensor

    def chosen(self, which: Tensor) -> Candidates:
        """Those at indices, or where a mask (P,) is true."""
        return Candidates(*(values[which] for values in self))

    def scored(self, score: Tensor) -> Candidates:
        """The same hands with other scores (P,), put in their order; equal ones keep theirs."""
        score, order = score.sort(descending=True, stable=True)
        return self.chosen(order)._replace(score=score)

    def calibrated(
        self, calibration: Calibration, opening: float, table_height: float
    ) -> Candidates:
        """The same hands with probabilities of success for scores, put in their order.

        Args:
            calibration: the map.
            opening: widest of the hand, metres.
            table_height: metres.
        """
        if calibration.is_identity:
            return self
        tips, rotation, width, score = (values.double().cpu().numpy() for values in self)
        about = circumstances(tips, rotation, width, opening, table_height)
        return self.scored(torch.from_numpy(calibration(score, about)).to(self.score))

    def grasps(self) -> list[Grasp]:
        """The same as values of numpy."""
        columns = (values.double().cpu().numpy() for values in self)
        return [Grasp(p, r, float(w), float(s)) for p, r, w, s in zip(*columns, strict=True)]


CELLS = 20
"""Noise is drawn for so many cells along each side of the cube: 15 mm of 0.30 m, so that peaks,
which are further apart, have noise of their own."""
LAYERS = 5
"""Cells above each other that have noise of their own; those 75 mm higher have the same again."""


def noise_at(
    model: Any, peaks: Tensor, resolution: int, num_samples: int, generator: torch.Generator
) -> Tensor | None:
    """Noise that turns with the scene: that of a turned place is the turned noise of the place.

    Quarter turns carry a place to one in each quadrant. Noise is drawn for all cells of the first
    quadrant and turned into the others, by exact integers: so it hangs on where a place lies, not
    on how many others there are or in which order, and at every place it has the distribution of
    the prior, which no turn changes.

    Args:
        model: that samples rotations.
        peaks: (P, 3) indices on a lattice.
        resolution: points of that lattice along each side, even.
        num_samples: rotations drawn per peak.
        generator: of the noise.

    Returns:
        (1, P, num_samples, ...) states as `model.prior` draws them; None for a model that takes no
        noise from outside.
    """
    if not (hasattr(model, "prior") and hasattr(model, "turn_noise")):
        return None
    # Twice the way from the axis in lattice steps: odd, so no place lies on the axis.
    x, y = (2 * peaks[:, :2].cpu() + 1 - resolution).unbind(1)
    turns = torch.where(y > 0, (x < 0).long(), 2 + (x > 0).long())
    odd, step = turns % 2 == 1, max(1, resolution // CELLS)
    home = torch.stack([torch.where(odd, y, x), torch.where(odd, x, y)]).abs() // 2 // step
    half = math.ceil(resolution / 2 / step)
    cell = (home[0] * half + home[1]) * LAYERS + peaks[:, 2].cpu() // step % LAYERS
    noise = model.prior((half * half * LAYERS, num_samples), generator)[cell]
    for number in (1, 2, 3):
        there = turns == number
        noise[there] = model.turn_noise(noise[there], number)
    return noise[None]


def hands_at(
    model: Any,
    features: Any,
    points: Tensor,
    scores: Tensor,
    *,
    peaks: Tensor,
    resolution: int,
    num_samples: int,
    seed: int,
) -> Candidates:
    """What a model predicts at peaks of its quality; `tips` are the query points still.

    Args:
        model: a `GraspModel`, or what a planner takes for one.
        features: of its `encode`.
        points: (P, 3), normalised.
        scores: (P,) qualities.
        peaks: (P, 3) indices of the lattice points from where these places were found.
        resolution: of that lattice.
        num_samples: rotations drawn per peak by models that sample them. The most confident one is
            kept. Where a model judges hands, the score is sqrt(quality * confidence).
        seed: of the draws.
    """
    if getattr(model, "samples_rotations", False):
        generator = torch.Generator().manual_seed(seed)
        noise = noise_at(model, peaks, resolution, num_samples, generator)
        given = {} if noise is None else {"noise": noise.to(points)}
        field = model.query(
            features,
            points[None],
            ("rotation", "width", "confidence"),
            num_samples=num_samples,
            generator=generator,
            **given,
        )
    else:
        asked = ("rotation", "width", "confidence")[: 3 if judges(model) else 2]
        field = model.query(features, points[None], asked)
    if field.confidence is not None:
        scores = (scores * field.confidence[0]).sqrt()
    metres = (points + 0.5) * model.workspace.side
    return Candidates(metres, field.rotation[0], field.width[0], scores).scored(scores)
