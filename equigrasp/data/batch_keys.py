"""The tensors that a grasp model is trained on: one table of keys, types, shapes and meanings.

An item is one scene's; a batch holds B of them stacked. N is the number of voxels per side, Q of
query points, K of yaws per point, P of occupancy points. Coordinates are normalised: those of the
workspace divided by its side, less one half, so that they lie in [-0.5, 0.5].
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from equigrasp.data.array_shapes import ArrayShape, misfit
from equigrasp.data.vocabulary import YAWS_PER_POINT

TSDF = "tsdf"
POINTS = "points"
LABEL = "label"
ROTATIONS = "rotations"
YAW_SUCCESS = "yaw_success"
YAW_MARGIN = "yaw_margin"
WIDTHS = "widths"
MASK = "mask"
OCC_POINTS = "occ_points"
OCC = "occ"

K = YAWS_PER_POINT
SCHEMA: dict[str, tuple[type, ArrayShape]] = {
    # key: (float or bool, shape)  # meaning | unit
    TSDF: (float, ("B", "N", "N", "N")),  # fused from one noised view, in the model's encoding
    POINTS: (float, ("B", "Q", 3)),  # query points, tip - query_setback * approach | normalised
    LABEL: (float, ("B", "Q")),  # 1 where some yaw succeeded, else 0
    ROTATIONS: (float, ("B", "Q", K, 3, 3)),  # of the hand at every yaw, columns x, y, z
    YAW_SUCCESS: (bool, ("B", "Q", K)),  # which yaws succeeded
    YAW_MARGIN: (float, ("B", "Q", K)),  # share of disturbed trials that hold; 1 if unknown
    WIDTHS: (float, ("B", "Q", K)),  # opening after the trial | m
    MASK: (bool, ("B", "Q")),  # False for padding, whose labels mean nothing
    OCC_POINTS: (float, ("B", "P", 3)),  # anywhere in the workspace | normalised
    OCC: (float, ("B", "P")),  # 1 where such a point lies inside an object, else 0
}


def batch_faults(batch: Mapping[str, Tensor]) -> list[str]:
    """Where a batch differs from the table, one line each; an item is checked as `item[None]`.

    Args:
        batch: tensors by key.
    """
    faults = [f"'{key}' is missing" for key in SCHEMA if key not in batch]
    faults += [f"'{key}' is unknown" for key in batch if key not in SCHEMA]
    lengths: dict[str, int] = {}
    for key, (kind, shape) in SCHEMA.items():
        if key not in batch:
            continue
        tensor = batch[key]
        if (tensor.dtype == torch.bool) != (kind is bool):
            faults.append(f"'{key}' has type {tensor.dtype}, expected {kind.__name__}")
        if (expected := misfit(tensor.shape, shape, lengths)) is not None:
            faults.append(f"'{key}' has shape {tuple(tensor.shape)}, expected {expected}")
    return faults
