"""Quality on a lattice of query points, and the peaks of it: pure functions on torch tensors.

Every step commutes with quarter turns of the workspace about the vertical: the lattice is centred
on the axis, windows are odd, ties are all kept. The published pipelines (VGN, GIGA, IGD) take a
corner lattice and an even suppression window and do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from equigrasp.detection import DetectionConfig
from equigrasp.perception.tsdf import voxel_axis
from equigrasp.perception.windows import Box, beside, box_of, window_max
from equigrasp.workspace import Workspace

CELLS_APART = 5
"""Side of the cube, in cells of the coarse lattice, within which `peak_share` compares a cell with
the best one."""


def query_lattice(resolution: int, **factory) -> Tensor:
    """Normalised query points (N, N, N, 3), centred on the axis: (i + 0.5) / N - 0.5.

    `factory` takes the dtype and device of the result.
    """
    axis = (torch.arange(resolution, **factory) + 0.5) / resolution - 0.5
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)


def lattice_quality(
    ask: Callable[[Tensor], Tensor], band: Tensor, config: DetectionConfig, **factory
) -> tuple[Tensor, Tensor, int]:
    """Quality on the lattice points of a band.

    With `config.coarse_to_fine`, cells of 2 x 2 x 2 points are asked at their centres, and their
    points only if the cell or one next to the point promises a peak; the others take the cell's
    value. Both lattices are centred, so this commutes with quarter turns.

    Args:
        ask: quality (Q,) at normalised points (Q, 3).
        band: (N, N, N) bool, where quality is wanted.
        config: thresholds.
        factory: dtype and device of the result.

    Returns:
        quality (N, N, N), 0 outside the band; where it was asked on the full lattice (N, N, N),
        bool; the number of points asked.
    """
    n, quality = band.shape[-1], torch.zeros(band.shape, **factory)
    if not bool(band.any()):
        return quality, band, 0
    box, asked = box_of(band, 2), 0
    inside = wanted = band[box]
    near = quality[box]
    if config.coarse_to_fine and n % 2 == 0:
        cells = _coarser(inside)
        coarse = near.new_zeros(cells.shape)
        coarse[cells] = ask(_lattice_points(cells, n // 2, box, 2, **factory)).to(quality.dtype)
        wanted = inside & window_max(_finer(promising(coarse, config)), 3)
        near.copy_(torch.where(inside, _finer(coarse), near))
        asked = int(cells.sum())
    if bool(wanted.any()):
        near[wanted] = ask(_lattice_points(wanted, n, box, 1, **factory)).to(quality.dtype)
    fine = torch.zeros_like(band)
    fine[box] = wanted
    return quality, fine, asked + int(wanted.sum())


def _lattice_points(chosen: Tensor, resolution: int, box: Box, step: int, **factory) -> Tensor:
    """Normalised points (Q, 3) of `query_lattice` that are chosen (X, Y, Z) in a box; the lattice
    is `step` times coarser than that of the box."""
    begin = torch.tensor([side.start // step for side in box], device=chosen.device)
    return ((chosen.nonzero() + begin).to(**factory) + 0.5) / resolution - 0.5


def promising(coarse: Tensor, config: DetectionConfig) -> Tensor:
    """Cells (N, N, N), bool, around which a peak of the quality can lie."""
    level = torch.clamp(config.refine_share * coarse.amax(), max=config.quality_threshold)
    best = window_max(coarse, CELLS_APART)
    return (coarse > 0) & (coarse >= level) & (coarse >= config.peak_share * best)


def _coarser(points: Tensor) -> Tensor:
    """Cells of 2 x 2 x 2 with any of their points true."""
    for _ in range(3):
        points = (points[::2] | points[1::2]).permute(1, 2, 0)
    return points


def _finer(cells: Tensor) -> Tensor:
    """Every value repeated in a cube of 2 x 2 x 2."""
    x, y, z = cells.shape
    repeated = cells[:, None, :, None, :, None].expand(x, 2, y, 2, z, 2)
    return repeated.reshape(2 * x, 2 * y, 2 * z)


def lattice_limits(
    lattice: Workspace, border: float, z_min: float, *, device: torch.device | None = None
) -> Tensor:
    """Lattice points (N, N, N), bool, `border` away from the side walls and above `z_min`.

    Args:
        lattice: the workspace, its resolution that of the lattice.
        border, z_min: metres.
        device: of the result.
    """
    centre = voxel_axis(lattice, device=device)
    inside = (centre > border) & (centre < lattice.side - border)
    return inside[:, None, None] & inside[None, :, None] & (centre > z_min)


def smooth(quality: Tensor, known: Tensor, sigma: float) -> Tensor:
    """Gaussian average of the known values only; 0 where nothing is known.

    Args:
        quality: (N, N, N).
        known: (N, N, N) bool; other values are ignored, not taken for zero.
        sigma: lattice steps; cut off at four sigma.
    """
    if sigma == 0:
        return torch.where(known, quality, 0.0)
    half, box, found = int(4 * sigma + 0.5), box_of(known), torch.zeros_like(quality)
    known = known[box]
    both = torch.stack([torch.where(known, quality[box], 0.0), known.to(quality)], -1)
    for _ in range(3):
        mean = both.clone()
        for step, (before, behind) in enumerate(beside(both, half, 0.0), 1):
            mean.add_(before + behind, alpha=math.exp(-0.5 * (step / sigma) ** 2))
        both = mean.permute(1, 2, 0, 3)
    value, weight = both.unbind(-1)
    least = torch.finfo(weight.dtype).tiny
    found[box] = torch.where(known, value / weight.clamp(min=least), 0.0)
    return found


def select_peaks(
    quality: Tensor, threshold: float, window: int, limit: int | None = None
) -> tuple[Tensor, Tensor]:
    """Lattice points that are the best in the window around them.

    Args:
        quality: (N, N, N), 0 where not admissible.
        threshold: peaks reach at least this value; values of 0 are never peaks.
        window: odd side of the cube; equal neighbours all survive.
        limit: keep only the best so many.

    Returns:
        indices (P, 3) and scores (P,), best first.

    Raises:
        ValueError: if the window is even.
    """
    if window % 2 == 0:
        raise ValueError(f"window is {window}; it must be odd to be centred")
    box = box_of(quality > 0)
    quality = quality[box]
    best = window_max(quality, window)
    peaks = ((quality == best) & (quality >= threshold) & (quality > 0)).nonzero()
    scores = quality[tuple(peaks.T)]
    scores, order = scores.sort(descending=True, stable=True)
    begin = torch.tensor([side.start for side in box], device=peaks.device)
    return (peaks + begin)[order][:limit], scores[:limit]
