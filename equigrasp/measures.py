"""What is told of the hands that a plan lists: room around them, and what they would close on."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from equigrasp.candidates import Candidates
from equigrasp.clearance import Observed, clearances, points_between
from equigrasp.hand import Hand
from equigrasp.plan_result import Measures
from equigrasp.things import clusters
from equigrasp.workspace import Workspace


def measured(hands: Candidates, hand: Hand, seen: Observed, workspace: Workspace) -> Measures:
    """Measures of hands, best first; all in the workspace frame.

    Args:
        hands: P of them.
        hand: their boxes.
        seen: the observed surface.
        workspace: whose voxels tell what hangs together.
    """
    found = clusters(seen.objects, workspace)
    under = np.full(len(hands.tips), -1)
    if found and len(under):
        counts = torch.stack([points_between(hands, hand, each) for each in found], 1)
        best, most = counts.argmax(1).cpu().numpy(), counts.amax(1).cpu().numpy()
        under = np.where(most > 0, best, -1)
    first = dict.fromkeys(int(number) for number in under if number >= 0)
    order = [*first, *(number for number in range(len(found)) if number not in first)]
    place = {old: new for new, old in enumerate(order)} | {-1: -1}
    return Measures(
        _listed(clearances(hands, hand, seen.points)),
        np.array([place[int(number)] for number in under], dtype=np.int64),
        tuple(_listed(found[old]) for old in order),
    )


def _listed(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
