"""A fixed scene and what a model predicts on it, to tell whether another machine computes the same.

The predictions travel in a model's card (`self_test`); `python -m equigrasp.doctor` compares them.
"""

from __future__ import annotations

import json
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
"""Largest difference in probability, or metres, from the recorded predictions."""


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
    """Quality and width of a model at fixed points of the fixed scene, for its card."""
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
        field = model.query(features, points, ("quality", "width"), generator=generator)
    return {
        "quality": [round(float(v), 6) for v in field.quality[0]],
        "width": [round(float(v), 6) for v in field.width[0]],
    }


def difference(
    recorded: Mapping[str, Sequence[float]], measured: Mapping[str, Sequence[float]]
) -> float:
    """Largest difference between two results of `predictions`; infinite if they do not match."""
    gaps = []
    for key, values in measured.items():
        if np.shape(recorded.get(key)) != np.shape(values):
            return float("inf")
        gaps.append(float(np.abs(np.subtract(recorded[key], values)).max()))
    return max(gaps)


def record(path: str | os.PathLike) -> Path:
    """Write a saved model's predictions into its card, atomically.

    Args:
        path: the .safetensors file (extension optional), or a folder with model.safetensors.

    Returns:
        the card's path.
    """
    from equigrasp.weights import load_model

    measured = predictions(load_model(path))
    place = Path(path)
    stem = place.name.removesuffix(".safetensors")
    note = place / "model.json" if place.is_dir() else place.with_name(stem + ".json")
    card = json.loads(note.read_text()) | {"self_test": measured}
    write_json(note, card, indent=2)
    return note
