"""What is told of the hands that a plan lists: room around them, and what they would close on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equigrasp.candidates import Candidates
from equigrasp.clearance import Observed, clearances, points_between
from equigrasp.geometry.transforms import Matrix, transform_points
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
    room = _listed(clearances(hands, hand, seen.points))
    return Measures(room, *_in_order(under, [_listed(each) for each in found]))


def joined(
    plans: Sequence[Measures],
    chosen: Sequence[tuple[int, int]],
    T_grid_given: Matrix,
    voxel: float,
) -> Measures:
    """Measures of grasps that were chosen from several plans, whose cubes overlap.

    Parts of things that two plans show are one thing if points of both lie in one voxel. Things
    that a plan holds apart have no voxel in common, as long as its own voxels stand as these do.

    Args:
        plans: measures of each, in one frame.
        chosen: of each grasp the number of its plan, and its number in it.
        T_grid_given: (4, 4) pose of that frame in one along whose axes the voxels lie.
        voxel: side, metres.
    """
    room = np.array([plans[p].clearances[g] for p, g in chosen])
    parts = [(p, each) for p, plan in enumerate(plans) for each in plan.clusters]
    first = np.cumsum([0, *(len(plan.clusters) for plan in plans)])
    under = [first[p] + plans[p].under[g] if plans[p].under[g] >= 0 else -1 for p, g in chosen]
    under = np.array(under, dtype=np.int64)
    if not parts:
        return Measures(room, under)
    part = np.concatenate([np.full(len(each), i) for i, (_, each) in enumerate(parts)])
    points = np.concatenate([each for _, each in parts])
    voxels = np.floor(transform_points(T_grid_given, points) / voxel).astype(int)
    cell = np.unique(voxels, axis=0, return_inverse=True)[1].reshape(-1)
    thing = _meeting(part, cell, len(parts))
    owner = np.array([p for p, _ in parts])[part]
    kept = owner == _least(cell, owner)[cell]  # what several plans show is listed once
    found = [points[kept & (thing[part] == number)] for number in range(thing.max() + 1)]
    order = sorted(range(len(found)), key=lambda number: -len(found[number]))
    place = np.argsort(order)
    under = np.where(under >= 0, place[thing[under]], -1)
    return Measures(room, *_in_order(under, [found[number] for number in order]))


def _meeting(part: NDArray[np.int64], cell: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Number (count,) of the thing that each part belongs to: parts that meet in a cell are one."""
    thing = np.arange(count)
    while True:
        lower = _least(part, _least(cell, thing[part])[cell])
        if (lower == thing).all():
            return np.unique(thing, return_inverse=True)[1].reshape(-1)
        thing = lower


def _least(group: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The least value of each group; groups are numbered from 0, and none is empty."""
    least = np.full(group.max() + 1, values.max())
    np.minimum.at(least, group, values)
    return least


def _in_order(
    under: NDArray[np.int64], found: Sequence[NDArray[np.float64]]
) -> tuple[NDArray[np.int64], tuple[NDArray[np.float64], ...]]:
    """Numbers under grasps, and clusters, in the order in which `Measures` lists them.

    Args:
        under: (N,) numbers of clusters, -1 for none.
        found: clusters, those of most points first.
    """
    first = dict.fromkeys(int(number) for number in under if number >= 0)
    order = [*first, *(number for number in range(len(found)) if number not in first)]
    place = {old: new for new, old in enumerate(order)} | {-1: -1}
    numbers = np.array([place[int(number)] for number in under], dtype=np.int64)
    return numbers, tuple(found[old] for old in order)


def _listed(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
