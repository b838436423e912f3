"""A fixed scene and what a model predicts on it, to tell whether another machine computes the same.

The predictions travel in a model's card (`self_test`); `python -m equigrasp.doctor` compares them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from equigrasp.data.files import write_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from equigrasp.data.synthetic import Primitive

TOLERANCE = 1e-3
"""Largest difference from recorded predictions: in probability, metres, entries of rotations."""


def fixed_scene() -> list[Primitive]:
    """A ball, a box and a bar on the table."""
    from equigrasp.data.synthetic import Primitive

    return [
        Primitive(np.array([0.10, 0.12, 0.080]), np.full(3, 0.030), box=False),
        Primitive(np.array([0.19, 0.19, 0.090]), np.array([0.020, 0.030, 0.040]), 0.5),
        Primitive(np.array([0.20, 0.09, 0.065]), np.array([0.045, 0.015, 0.015]), 2.1),
    ]


def fixed_depth(scale: float = 1.0) -> NDArray[np.float32]:
    """Depth image (480, 640) of `fixed_scene` from the fixed view, every reading times `scale`."""
    from equigrasp.data.synthetic import render_primitives
    from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view

    depth = render_primitives(fixed_scene(), DEFAULT_INTRINSICS, fixed_view())
    return (np.float32(scale) * depth).astype(np.float32)


def predictions(model: Any) -> dict[str, list[float]]:
    """All that a model says at fixed points of the fixed scene, for its card.

    Args:
        model: a grasp model; one that samples rotations draws one per point, from seed 0.

    Returns:
        each of the model's outputs at 32 points, flat: numbers, or 9 per rotation, row by row.
    """
    import torch

    from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
    from equigrasp.perception.tsdf import fuse_tsdf

    grid = fuse_tsdf(
        torch.from_numpy(fixed_depth()),
        DEFAULT_INTRINSICS,
        fixed_view(),
        workspace=model.workspace,
        encoding=model.encoding,
    )
    rng = np.random.default_rng(0)
    points = torch.from_numpy(rng.uniform(-0.3, 0.3, (1, 32, 3)).astype(np.float32))
    generator = torch.Generator().manual_seed(0)  # for models that sample rotations
    with torch.no_grad():
        features = model.encode(grid[None])
        field = model.query(features, points, model.outputs, generator=generator)
    return {
        name: [round(float(v), 6) for v in getattr(field, name).flatten()] for name in model.outputs
    }


def difference(
    recorded: Mapping[str, Sequence[float]], measured: Mapping[str, Sequence[float]]
) -> float:
    """Largest difference of what was recorded; infinite if it is nothing, or is not measured.

    Args:
        recorded: `predictions` of before; cards of early versions hold quality and width alone.
        measured: `predictions` of now.
    """
    gaps = []
    for key, values in recorded.items():
        if np.shape(measured.get(key)) != np.shape(values):
            return float("inf")
        gaps.append(float(np.abs(np.subtract(measured[key], values)).max()))
    return max(gaps, default=float("inf"))


def record(name_or_path: str | os.PathLike) -> Path:
    """Write a model's predictions into its card, atomically.

    Args:
        name_or_path: of a shipped or saved model, see `equigrasp.load_model`.

    Returns:
        the card's path.
    """
    from equigrasp.weights import find_weights, load_model, read_card

    measured = predictions(load_model(name_or_path))
    _, note = find_weights(name_or_path)
    write_json(note, {**read_card(note), "self_test": measured}, indent=2)
    return note
