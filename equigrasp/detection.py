"""From a quality field on a lattice to ranked candidates: pure functions on torch tensors.

Every step commutes with quarter turns of the workspace about the vertical: the lattice is centred
on the axis, windows are odd, ties are all kept. The published pipelines (VGN, GIGA, IGD) take a
corner lattice and an even suppression window and do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from equigrasp.hand import Hand
from equigrasp.perception.tsdf import voxel_axis
from equigrasp.workspace import Workspace

WINDOW_LATTICE = Workspace(side=0.30, resolution=40)
"""The lattice whose steps, 7.5 mm each, `smoothing` and `nms_window` of `DetectionConfig` count."""

CELLS_APART = 5
"""Side of the cube, in cells of the coarse lattice, within which `peak_share` compares a cell with
the best one."""

WIDTH_RESERVE = 0.01
"""The fingers of a hand that is opened all the way pass an object of that width only if the hand is
placed exactly; so much (m) of the opening is kept for errors of placement."""


@dataclass(frozen=True)
class DetectionConfig:
    """Every threshold between the network's output and the list of grasps.

    Attributes:
        quality_threshold: a grasp needs at least this score to be listed.
        force: what to do where no grasp reaches `quality_threshold`. True lists the best one
            alone if it reaches at least `quality_floor`, so that a robot that has to act can;
            False lists none.
        quality_floor: lowest score of a grasp that `force` lists.
        smoothing: standard deviation of the Gaussian by which the quality is averaged before its
            peaks are looked for, in steps of 7.5 mm; 0 for none.
        nms_window: of all points in a cube with this side only the best is a peak; in steps of
            7.5 mm, odd. On another lattice it is the widest odd number of steps that is no wider.
        max_peaks: rotation and width are predicted at no more than this many peaks.
        max_grasps: length of the returned list; None for all.
        num_samples: rotations sampled per peak by models that sample them; the most confident one
            is kept, and the score is sqrt(quality * confidence).
        width_min, width_max: smallest and largest predicted opening that is kept, metres. None as
            the largest takes the widest opening of the hand less `WIDTH_RESERVE`.
        reach: quality is predicted up to this distance (m) around the observed surface; training
            points lie up to 0.055 m above it.
        table_margin: surface lower than this above a known table is taken for the table, around
            which no quality is predicted, metres.
        border: query points keep this distance from the side walls of the workspace, metres.
        z_min: lowest query point, metres; None takes the table height (0 if unknown).
        tip_clearance: lowest finger tip above a known table, metres.
        max_retreat: a grasp whose tip would be lower than that is pulled back along its approach
            by as much as it takes, but dropped if that is more than this, metres.
        advance: grasps reach this much (m) deeper than predicted, as far as a known table allows
            (see `equigrasp.placement`). In training, a grasp that touches anything on its way
            counts as a failure; so the predicted ones are shallow, and shallow ones slip.
        lattice: query points per side; None takes the model's resolution.
        coarse_to_fine: whether the quality is predicted first at the centres of cells of 2 x 2 x 2
            lattice points, and then only at points in and next to cells that promise a peak.
        refine_share: a cell promises a peak if its quality reaches `quality_threshold`, or this
            share of the best cell's, whichever is less.
        peak_share: and if it also reaches this share of the best quality within two cells of it;
            0 asks for nothing.
    """

    quality_threshold: float = 0.5
    force: bool = True
    quality_floor: float = 0.1
    smoothing: float = 1.0
    nms_window: int = 5
    max_peaks: int = 256
    max_grasps: int | None = None
    num_samples: int = 8
    width_min: float = 0.01
    width_max: float | None = None
    reach: float = 0.055
    table_margin: float = 0.004
    border: float = 0.02
    z_min: float | None = None
    tip_clearance: float = 0.0
    max_retreat: float = 0.01
    advance: float = 0.015
    lattice: int | None = None
    coarse_to_fine: bool = True
    refine_share: float = 0.8
    peak_share: float = 0.8

    def __post_init__(self) -> None:
        if self.nms_window < 1 or self.nms_window % 2 == 0:
            raise ValueError(
                f"nms_window is {self.nms_window}; it must be odd, an even window is not centred "
                "and breaks the symmetry"
            )
        if self.lattice is not None and (self.lattice < 2 or self.lattice % 2):
            raise ValueError(f"lattice is {self.lattice}; it must be even and at least 2")
        if not 0 <= self.quality_floor <= self.quality_threshold <= 1:
            raise ValueError(
                f"quality_floor={self.quality_floor}, quality_threshold={self.quality_threshold}; "
                "need 0 <= floor <= threshold <= 1"
            )
        widest = math.inf if self.width_max is None else self.width_max
        if not 0 <= self.width_min < widest:
            raise ValueError(f"widths {self.width_min} to {self.width_max} m admit no grasp")
        for name in ("refine_share", "peak_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie in [0, 1]")
        self._check_signs()

    def _check_signs(self) -> None:
        for name in ("smoothing", "reach", "border", "max_retreat", "advance"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must not be negative")
        for name in ("max_peaks", "max_grasps", "num_samples"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")

    def widest(self, hand: Hand) -> float:
        """Largest admissible predicted opening of a hand, metres."""
        return hand.opening - WIDTH_RESERVE if self.width_max is None else self.width_max

    def windows(self, lattice: Workspace) -> tuple[float, int]:
        """`smoothing` and `nms_window` in steps of a lattice; the window stays odd."""
        scale = lattice.resolution / WINDOW_LATTICE.resolution
        scale *= WINDOW_LATTICE.side / lattice.side
        return self.smoothing * scale, 1 + 2 * int((self.nms_window * scale - 1) / 2)


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
