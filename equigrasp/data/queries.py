"""Choosing the labelled query points of a training item.

A network is asked at `q = tip - query_setback * approach`; the label says whether some yaw of the
grasp with that tip and approach succeeded in simulation. Besides the simulated candidates there
are query points whose failure needs no simulation ("free" negatives): below the table, inside an
object where the palm would be, or too far from any object for the fingers to enclose a part of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equigrasp.hand import PANDA, Hand
from equigrasp.workspace import WORKSPACE, Workspace

Array = NDArray[np.float32]

_OCCUPANCY_SPACING = 0.015
"""Objects are known by points sampled inside them; their surface may lie this far (m) from the
nearest of these points."""


def balanced_choice(
    positive: NDArray[np.bool_], count: int, positive_share: float, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Indices of at most `count` grasps, positives first up to a share, negatives filling up.

    Where negatives run short, further positives take their places; nothing is repeated, so fewer
    than `count` indices come back if the scene has fewer grasps.

    Args:
        positive: (G,) bool labels.
        count: places to fill.
        positive_share: largest share of the places that positives take while negatives last.
        rng: decides which are taken, and their order.

    Returns:
        (n,) indices, n <= count, in random order.
    """
    positives = rng.permutation(np.flatnonzero(positive))
    negatives = rng.permutation(np.flatnonzero(~positive))
    taken = min(len(positives), round(positive_share * count))
    filled = min(len(negatives), count - taken)
    taken = min(len(positives), count - filled)
    return rng.permutation(np.concatenate([positives[:taken], negatives[:filled]]))


def free_negatives(
    inside: Array,
    count: int,
    query_setback: float,
    rng: np.random.Generator,
    hand: Hand = PANDA,
    workspace: Workspace = WORKSPACE,
) -> Array:
    """Query points at which no grasp can succeed whatever its orientation.

    Half of them (rounded down) lie inside objects if the setback puts the palm at the query point;
    the others lie below the table or out of the fingers' reach of every object.

    Args:
        inside: (n, 3) points known to lie within objects, metres.
        count: number wanted.
        query_setback: distance from query point to tip along the approach, metres.
        rng: source of the draws.
        hand: of the labels.
        workspace: of the scene.

    Returns:
        (m, 3) metres, m <= count (fewer where the workspace has too little free space).
    """
    palm_at_query = query_setback >= -hand.palm_box.upper[2]
    within = inside[:0]
    if palm_at_query and len(inside):
        within = inside[rng.integers(len(inside), size=count // 2)]
    wanted = count - len(within)
    candidates = rng.uniform(0.0, workspace.side, (8 * wanted, 3)).astype(np.float32)
    known = candidates[:, 2] < workspace.table_height
    if len(inside):
        along = max(query_setback, hand.finger_depth - query_setback)
        reach = np.hypot(along, hand.opening / 2) + _OCCUPANCY_SPACING
        sample = inside[rng.permutation(len(inside))[:2048]]
        squared = ((candidates[:, None] - sample[None]) ** 2).sum(-1).min(1)
        known |= squared > reach**2
    else:
        known[:] = True
    return np.concatenate([within, candidates[known][:wanted]])
