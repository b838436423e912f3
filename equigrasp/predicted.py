"""What a model predicts of a volume besides grasps: feature planes, and the shape of things."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from equigrasp.matter import scene_occupancy
from equigrasp.nn.near_points import NearPlanes
from equigrasp.nn.plain import Planes
from equigrasp.nn.planes import TriPlane
from equigrasp.scene_mesh import SceneMesh
from equigrasp.search import like_of


def _of_triplane(found: Any) -> dict[str, torch.Tensor]:
    return {"xy": found.xy, "xz": found.side_a, "yz": found.side_b}


_PLANES: dict[type, Callable[[Any], dict[str, torch.Tensor]]] = {
    TriPlane: _of_triplane,
    NearPlanes: _of_triplane,
    Planes: lambda found: {  # these are laid out with the second axis first
        name: getattr(found, name).transpose(2, 3) for name in ("xy", "xz", "yz")
    },
}
"""Planes (B, C, first axis, second axis) by their axes, of what models encode scenes as."""


@torch.inference_mode()
def feature_planes(model: Any, tsdf: ArrayLike) -> dict[str, NDArray[np.float32]]:
    """Feature planes (C, first axis, second axis) "xy", "xz" and "yz" of a scene.

    Of a scene turned by +90 degrees an exact model gives the turned table plane, and its side
    planes change places, one of them mirrored; channels are permuted.

    Args:
        model: a `GraspModel`.
        tsdf: (N, N, N) in its encoding and at its resolution.

    Returns:
        Nothing for models that encode scenes otherwise.
    """
    features = model.encode(torch.as_tensor(np.asarray(tsdf)).to(like_of(model))[None])
    split = _PLANES.get(type(features))
    if split is None:
        return {}
    return {name: plane[0].float().cpu().numpy() for name, plane in split(features).items()}


def expected_shape(
    model: Any, tsdf: torch.Tensor, resolution: int, *, smooth: bool = False
) -> SceneMesh:
    """The shape that a model expects, from a volume; in the workspace frame.

    Args:
        model: a `GraspModel`.
        tsdf: (N, N, N) in its encoding and at its resolution.
        resolution, smooth: see `GraspPlanner.reconstruct`.

    Raises:
        ValueError: the model predicts no occupancy; an odd resolution.
    """
    occupancy = scene_occupancy(model, tsdf.to(like_of(model)), resolution)
    return SceneMesh.of(occupancy.float().cpu().numpy(), model.workspace.side, smooth=smooth)


def predicted_shape(model: Any, tsdf: ArrayLike, resolution: int = 80) -> SceneMesh | None:
    """`expected_shape` of a volume of numpy; None for models that predict no occupancy."""
    if "occupancy" not in getattr(model, "outputs", ()):
        return None
    return expected_shape(model, torch.as_tensor(np.asarray(tsdf)), resolution)
