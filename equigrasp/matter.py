"""Where a model expects matter: its occupancy on a lattice, hidden parts of objects included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from equigrasp.peaks import query_lattice

OCCUPIED = 0.5
"""A place counts as filled from this predicted probability on."""


Ask = Callable[[Tensor], Tensor]
"""Occupancy (Q,) in [0, 1] at normalised points (Q, 3)."""


def asker(model: Any, features: Any) -> Ask:
    """How to ask a model for the occupancy of one scene.

    Args:
        model: a `GraspModel`, or what a planner takes for one.
        features: of its `encode`, of one scene.

    Raises:
        ValueError: the model predicts no occupancy.
    """
    if "occupancy" not in getattr(model, "outputs", ()):
        name = getattr(model, "name", "") or type(model).__name__
        raise ValueError(
            f"the model '{name}' predicts no occupancy; use one that does, such as equigiga, "
            "equiigd or giga"
        )

    def ask(points: Tensor) -> Tensor:
        return model.query(features, points[None], ("occupancy",)).occupancy[0]

    return ask


@torch.inference_mode()
def scene_occupancy(model: Any, tsdf: Tensor, resolution: int) -> Tensor:
    """What a model expects to be filled, from a volume: see `occupancy_lattice`.

    Args:
        model: a `GraspModel`, or what a planner takes for one.
        tsdf: (N, N, N) in its encoding and at its resolution.
        resolution: points per side, even.

    Raises:
        ValueError: the model predicts no occupancy, or an odd resolution.
    """
    ask = asker(model, model.encode(tsdf[None]))
    return occupancy_lattice(ask, resolution, dtype=tsdf.dtype, device=tsdf.device)


@torch.inference_mode()
def occupancy_lattice(ask: Ask, resolution: int, **factory) -> Tensor:
    """Probability that the points of a centred lattice lie in objects.

    Cells of 2 x 2 x 2 points are asked at their centres first, and their points only where the
    surface can pass: where one of the cell's neighbours is on another side than the cell. The other
    points take the cell's value. Both lattices are centred, so this commutes with quarter turns.

    Args:
        ask: of a model and a scene, see `asker`.
        resolution: points per side, even.
        factory: dtype and device of the points.

    Returns:
        (K, K, K) in [0, 1], entry [x, y, z] in the middle of its voxel.

    Raises:
        ValueError: an odd resolution.
    """
    if resolution < 2 or resolution % 2:
        raise ValueError(f"resolution is {resolution}; it must be even and at least 2")
    half = resolution // 2
    coarse = ask(query_lattice(half, **factory).reshape(-1, 3)).reshape(half, half, half)
    filled = (coarse > OCCUPIED).to(coarse)[None]
    near = (F.max_pool3d(filled, 3, 1, 1) != -F.max_pool3d(-filled, 3, 1, 1))[0]
    fine = coarse
    for axis in range(3):
        fine, near = fine.repeat_interleave(2, axis), near.repeat_interleave(2, axis)
    if bool(near.any()):
        fine[near] = ask(query_lattice(resolution, **factory)[near]).to(fine)
    return fine


@torch.inference_mode()
def hidden_matter(ask: Ask, unseen: Tensor, **factory) -> Tensor:
    """Those of the unseen voxels (K, K, K), bool, whose middles are expected to be filled."""
    filled = torch.zeros_like(unseen)
    if bool(unseen.any()):
        lattice = query_lattice(len(unseen), device=unseen.device, **factory)
        filled[unseen] = ask(lattice[unseen]) > OCCUPIED
    return filled
