"""Quality on a lattice of query points, and the peaks of it: pure functions on torch tensors.

Every step commutes with quarter turns of the workspace about the vertical: the lattice is centred
on the axis, windows are odd, ties are all kept. The published pipelines (VGN, GIGA, IGD) take a
corner lattice and an even suppression window and do not.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from equigrasp.detection import DetectionConfig
from equigrasp.perception.tsdf import voxel_axis
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
    n = band.shape[-1]
    quality = torch.zeros(band.shape, **factory)
    wanted, asked = band, 0
    if config.coarse_to_fine and n % 2 == 0 and bool(band.any()):
        cells = F.max_pool3d(band[None].float(), 2)[0] > 0
        coarse = quality.new_zeros(cells.shape)
        coarse[cells] = ask(query_lattice(n // 2, **factory)[cells]).to(quality.dtype)
        near = F.max_pool3d(_finer(promising(coarse, config)).to(coarse)[None], 3, 1, 1)[0]
        wanted = band & (near > 0)
        quality = torch.where(band, _finer(coarse), quality)
        asked = int(cells.sum())
    if bool(wanted.any()):
        quality[wanted] = ask(query_lattice(n, **factory)[wanted]).to(quality.dtype)
    return quality, wanted, asked + int(wanted.sum())


def promising(coarse: Tensor, config: DetectionConfig) -> Tensor:
    """Cells (N, N, N), bool, around which a peak of the quality can lie."""
    level = torch.clamp(config.refine_share * coarse.amax(), max=config.quality_threshold)
    best = F.max_pool3d(coarse[None], CELLS_APART, 1, CELLS_APART // 2)[0]
    return (coarse > 0) & (coarse >= level) & (coarse >= config.peak_share * best)


def _finer(cells: Tensor) -> Tensor:
    """Every value repeated in a cube of 2 x 2 x 2."""
    for axis in range(3):
        cells = cells.repeat_interleave(2, axis)
    return cells


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
    half = int(4 * sigma + 0.5)
    offsets = torch.arange(-half, half + 1, device=quality.device, dtype=quality.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    both = torch.stack([torch.where(known, quality, 0.0), known.to(quality)])[:, None]
    for axis in range(3):
        shape = [1, 1, 1, 1, 1]
        shape[2 + axis] = len(kernel)
        padding = [half if i == axis else 0 for i in range(3)]
        both = F.conv3d(both, kernel.reshape(shape), padding=padding)
    value, weight = both[:, 0]
    return torch.where(known, value / weight.clamp(min=torch.finfo(weight.dtype).tiny), 0.0)


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
    best = quality[None, None]
    for kernel in ((window, 1, 1), (1, window, 1), (1, 1, window)):  # a cube's maximum separates
        padding = tuple(side // 2 for side in kernel)
        best = F.max_pool3d(best, kernel, stride=1, padding=padding)
    peaks = ((quality == best[0, 0]) & (quality >= threshold) & (quality > 0)).nonzero()
    scores = quality[tuple(peaks.T)]
    scores, order = scores.sort(descending=True, stable=True)
    return peaks[order][:limit], scores[:limit]
