"""Validation of a grasp model on held-out scenes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from equigrasp.data import batch_keys as keys
from equigrasp.training.loader import KeyedDataset, load_batches
from equigrasp.training.metrics import (
    auroc,
    average_precision,
    intersection_over_union,
    rotation_error,
    width_error,
)

BATCH = 4
"""Scenes encoded at once."""


@torch.no_grad()
def validation_metrics(
    model: Any,
    dataset: KeyedDataset,
    *,
    workers: int = 1,
    device: torch.device | str = "cpu",
) -> dict[str, float]:
    """Score a model on every scene of a data set, always with the draws of epoch 0.

    Args:
        model: a grasp model (`encode`, `query`); put into evaluation mode and left there.
        dataset: items by `equigrasp.data.batch_keys`.
        workers: loader threads.
        device: where the model lives.

    Returns:
        average_precision, auroc, positives (share), rotation_error_deg (mean over positives),
        rotation_median_deg, width_error_mm, occupancy_iou; NaN where nothing can be measured.
    """
    model.eval()
    scenes = [(0, index) for index in range(len(dataset))]
    batches = [scenes[i : i + BATCH] for i in range(0, len(scenes), BATCH)]
    rows: list[dict[str, Tensor]] = []
    for batch in load_batches(dataset, batches, workers=workers):
        rows.append(_measure(model, {k: v.to(device) for k, v in batch.items()}))
    joined = {name: torch.cat([row[name] for row in rows]).cpu() for name in rows[0]}
    angle, width = torch.rad2deg(joined["angle"]), 1000 * joined["width"]
    empty = len(angle) == 0
    return {
        "average_precision": average_precision(joined["score"], joined["label"]),
        "auroc": auroc(joined["score"], joined["label"]),
        "positives": float(joined["label"].float().mean()),
        "rotation_error_deg": math.nan if empty else float(angle.mean()),
        "rotation_median_deg": math.nan if empty else float(angle.median()),
        "width_error_mm": math.nan if empty else float(width.mean()),
        "occupancy_iou": (
            intersection_over_union(joined["filled"], joined["occ"])
            if "filled" in joined
            else math.nan
        ),
    }


def _measure(model: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Flat per-query and per-point measurements of one batch."""
    features = model.encode(batch[keys.TSDF])
    generator = torch.Generator().manual_seed(0)
    grasps = ("quality", "rotation", "width")
    field = model.query(features, batch[keys.POINTS], grasps, generator=generator)
    mask = batch[keys.MASK]
    success = mask & (batch[keys.LABEL] > 0.5)
    angle, yaw = rotation_error(
        field.rotation[success].float(),
        batch[keys.ROTATIONS][success],
        batch[keys.YAW_SUCCESS][success],
    )
    measured = {
        "score": field.quality[mask].float(),
        "label": batch[keys.LABEL][mask] > 0.5,
        "angle": angle,
        "width": width_error(field.width[success].float(), batch[keys.WIDTHS][success], yaw),
    }
    if "occupancy" in model.outputs:
        filled = model.query(features, batch[keys.OCC_POINTS], ("occupancy",)).occupancy
        measured |= {"filled": (filled > 0.5).flatten(), "occ": (batch[keys.OCC] > 0.5).flatten()}
    return measured
