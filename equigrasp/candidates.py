"""Hands that a plan weighs: what a model predicts at peaks of its quality, as tensors."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from equigrasp.calibration import Calibration, circumstances
from equigrasp.grasp import Grasp


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


def hands_at(
    model: Any, features: Any, points: Tensor, scores: Tensor, *, num_samples: int, seed: int
) -> Candidates:
    """What a model predicts at peaks of its quality; `tips` are the query points still.

    Args:
        model: a `GraspModel`, or what a planner takes for one.
        features: of its `encode`.
        points: (P, 3), normalised.
        scores: (P,) qualities.
        num_samples: rotations drawn per peak by models that sample them. The most confident one is
            kept, and the score is sqrt(quality * confidence).
        seed: of the draws.
    """
    if getattr(model, "samples_rotations", False):
        field = model.query(
            features,
            points[None],
            ("rotation", "width", "confidence"),
            num_samples=num_samples,
            generator=torch.Generator().manual_seed(seed),
        )
        scores = (scores * field.confidence[0]).sqrt()
    else:
        field = model.query(features, points[None], ("rotation", "width"))
    metres = (points + 0.5) * model.workspace.side
    return Candidates(metres, field.rotation[0], field.width[0], scores).scored(scores)
