"""From a volume to the grasps found in it: where a model is asked, and for what.

Coarse to fine: quality on the lattice points near the observed surface, rotation and width only at
the peaks that survive suppression.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from equigrasp.budget import Budget
from equigrasp.calibration import Calibration
from equigrasp.candidates import hands_at
from equigrasp.clearance import expecting
from equigrasp.detection import DetectionConfig
from equigrasp.devices import exact_convolutions
from equigrasp.fused import Volume
from equigrasp.hand import Hand
from equigrasp.matter import asker, hidden_matter
from equigrasp.measures import measured
from equigrasp.peaks import (
    lattice_limits,
    lattice_quality,
    query_lattice,
    select_peaks,
    smooth,
)
from equigrasp.perception.surface import within_reach
from equigrasp.plan_result import Found
from equigrasp.refine import climb
from equigrasp.sifting import Surroundings, sift
from equigrasp.workspace import Workspace


def like_of(model: Any) -> Tensor:
    """A tensor whose device and precision are those of a model; float32 on the CPU if it has none.

    Args:
        model: see `equigrasp.planner.GraspPlanner`.
    """
    if isinstance(model, torch.nn.Module):
        for tensors in (model.parameters(), model.buffers()):
            if (first := next((t for t in tensors if t.is_floating_point()), None)) is not None:
                return first
    return torch.empty(0)


def device_of(model: Any) -> torch.device:
    """Where a model's tensors are; the CPU for what has none."""
    return like_of(model).device


def check_limits(
    config: DetectionConfig, hand: Hand, workspace: Workspace, table_height: float | None
) -> None:
    """Refuse thresholds that can leave no grasp of a hand in a workspace.

    Raises:
        ValueError: naming the threshold, its limit and the remedy.
    """
    if config.width_max is not None and config.width_max > hand.opening + 1e-9:
        raise ValueError(
            f"width_max is {config.width_max} m; the hand '{hand.name}' opens to {hand.opening} m"
        )
    if config.width_min >= config.widest(hand):
        raise ValueError(
            f"width_min is {config.width_min} m, and the hand '{hand.name}' grasps up to "
            f"{config.widest(hand):g} m: no width is left"
        )
    lattice = replace(workspace, resolution=config.lattice or workspace.resolution)
    lowest = _lowest(config, table_height)
    if not lattice_limits(lattice, config.border, lowest).any():
        raise ValueError(
            f"border {config.border} m, z_min {lowest} m (the table's height unless given) and "
            f"{lattice.resolution} lattice points per side leave no query point in a workspace "
            f"{workspace.side} m wide; lower them"
        )


def _promising(
    lattice: Workspace, around: Surroundings, config: DetectionConfig, device: torch.device
) -> Tensor:
    """Lattice points from where tips can come to lie in the region asked for; bool."""
    n = lattice.resolution
    if around.wanted.region is None:
        return torch.ones((n, n, n), dtype=torch.bool, device=device)
    points = (query_lattice(n, device=device, dtype=torch.float64) + 0.5) * lattice.side
    slack = around.setback + config.advance + config.max_retreat + lattice.voxel
    held = around.wanted.holds(points.reshape(-1, 3), around.T_given_workspace, slack)
    return held.reshape(n, n, n)


def _lowest(config: DetectionConfig, table_height: float | None) -> float:
    """Height above which query points lie, metres."""
    return config.z_min if config.z_min is not None else (table_height or 0.0)


@torch.inference_mode()
@exact_convolutions()
def search(
    model: Any,
    volume: Volume,
    around: Surroundings,
    config: DetectionConfig,
    *,
    seed: int,
    budget: Budget,
    limit: int | None = None,
) -> Found:
    """Grasps in a volume, best first.

    Args:
        model: see `equigrasp.planner.GraspPlanner`.
        volume: what it looks at.
        around: what hands are checked against.
        config: thresholds, those of scores after the model's calibration.
        seed: of sampled rotations.
        budget: the time there is; its clock is told what each stage takes.
        limit: length of the list.

    Raises:
        ValueError: the model's predictions are no numbers; `config.unseen` asks a model without
            occupancy what is hidden.
    """
    (tsdf, surface), clock = volume, budget.clock
    calibration = getattr(model, "calibration", Calibration())
    raw, device = config.before(calibration), device_of(model)
    if not surface.any():
        return Found(reason="empty_workspace")
    lattice = replace(around.workspace, resolution=surface.shape[-1])
    band = within_reach(surface, config.reach / lattice.voxel)
    z_min = _lowest(config, around.table_height)
    band &= lattice_limits(lattice, config.border, z_min, device=surface.device)
    band &= _promising(lattice, around, config, band.device)
    clock.lap("select")
    features = model.encode(tsdf[None])
    clock.lap("encode", device)

    def ask(points: Tensor) -> Tensor:
        return model.query(features, points[None], ("quality",)).quality[0]

    quality, fine, asked = lattice_quality(ask, band, raw, device=surface.device, dtype=tsdf.dtype)
    clock.lap("query", device)
    if not quality.isfinite().all():
        raise ValueError(
            "the model predicts qualities that are no numbers; its weights are damaged: load them "
            "with verify=True, or train again"
        )
    spread, window = config.windows(lattice)
    quality = torch.where(fine, smooth(quality, band, spread), 0.0)
    peaks, scores = select_peaks(quality, raw.lowest, window, config.max_peaks)
    clock.lap("select", device)
    if not len(peaks):
        return Found(queries=asked)
    n = len(surface)
    points = query_lattice(n, device=surface.device, dtype=tsdf.dtype)[tuple(peaks.T)]
    samples = getattr(model, "samples_rotations", False)
    config = budget.predictions(config, len(points), asked, samples=samples)
    if config.refine_steps:
        options = {"spacing": 1 / n, "steps": config.refine_steps, "sigma": spread}
        points, scores = climb(ask, points, scores, **options)
    drawn = {"peaks": peaks, "resolution": n, "num_samples": config.num_samples, "seed": seed}
    hands = hands_at(model, features, points, scores, **drawn)
    config = budget.looks(config)
    if config.unseen == "predicted" and around.seen is not None:
        filled = hidden_matter(asker(model, features), around.seen.unseen, dtype=tsdf.dtype)
        around = replace(around, seen=expecting(around.seen, filled, around.workspace))
    clock.lap("query", device)
    hands, dropped = sift(hands, around, config, calibration, model.hand)
    found = Found.among(hands.grasps(), config.quality_threshold, asked, dropped, limit)
    if around.seen is not None and budget.measures():
        listed = hands.chosen(torch.arange(len(found.grasps), device=hands.tips.device))
        told = measured(listed, around.hand, around.seen, around.workspace)
        found = replace(found, measures=told)
    clock.lap("select", device)
    return replace(found, shortened=budget.shortened)
