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

from equigrasp.hand import PANDA, Hand
from equigrasp.perception.tsdf import voxel_axis
from equigrasp.workspace import WORKSPACE, Workspace

WINDOW_LATTICE = Workspace(side=0.30, resolution=40)
"""Windows of `DetectionConfig` are in steps of this lattice: 7.5 mm."""
CELLS_APART = 5
"""Side of the cube, in cells of the coarse lattice, in which `peak_share` looks for the best."""
ADVANCE_CLEARANCE = 0.003
"""Finger tips that reach deeper than predicted stop this far (m) over a known table."""

WIDTH_RESERVE = 0.01
"""A hand as wide open as it can be has to be placed exactly; so much (m) is left for error."""


@dataclass(frozen=True)
class DetectionConfig:
    """Every threshold between the network's output and the list of grasps.

    Attributes:
        quality_threshold: grasps below this score are dropped ...
        force: ... unless none is left: then the single best one is returned,
        quality_floor: provided that it reaches this score.
        smoothing: standard deviation of the Gaussian on the quality, in voxels of 7.5 mm; 0 for
            none.
        nms_window: side of the cube in which only the best point survives, in voxels of 7.5 mm,
            odd; on another lattice the widest odd number of steps that is no wider.
        max_peaks: rotation and width are predicted at no more than this many peaks.
        max_grasps: length of the returned list; None for all.
        num_samples: rotations sampled per peak by models that sample them; the most confident one
            is kept, and the score is sqrt(quality * confidence).
        width_min, width_max: admissible predicted opening, metres; None takes the widest opening
            of the hand less `WIDTH_RESERVE`.
        reach: quality is predicted up to this distance (m) around the observed surface; training
            points lie up to 0.055 m above it.
        table_margin: surface lower than this above a known table does not attract queries, metres.
        border: query points keep this distance from the side walls of the workspace, metres.
        z_min: lowest query point, metres; None takes the table height (0 if unknown).
        tip_clearance: lowest finger tip above a known table, metres.
        max_retreat: a grasp whose tip is lower backs up along its approach by no more than this
            (m), or is dropped.
        advance: grasps reach this much (m) deeper than predicted, as far as the table leaves
            `ADVANCE_CLEARANCE`. Labels forbid every touch on the way, so predicted grasps are
            shallow, and shallow grasps slip.
        lattice: query points per side; None takes the model's resolution.
        coarse_to_fine: ask quality on a lattice of half the density first, and on the full one only
            around cells that reach `quality_threshold`, or `refine_share` of the best cell if that
            is less.
        refine_share: see `coarse_to_fine`.
        peak_share: of these cells only those that reach this share of the best one within two
            cells are looked at; 0 looks at all.
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


def admissible_width(width: Tensor, config: DetectionConfig, hand: Hand = PANDA) -> Tensor:
    """Which openings (P,) lie in the configured range: bool (P,)."""
    return (width >= config.width_min) & (width <= config.widest(hand))


def place_tips(
    points: Tensor,
    approach: Tensor,
    setback: float,
    config: DetectionConfig,
    table_height: float | None,
    *,
    side: float = WORKSPACE.side,
) -> tuple[Tensor, Tensor]:
    """Finger tips of grasps read at query points, held off the table and inside the workspace.

    Args:
        points: (P, 3) query points, metres.
        approach: (P, 3) unit vectors.
        setback: `query_setback` of the model, metres.
        config: `tip_clearance`, `max_retreat`, `advance`.
        table_height: metres; None where there is no known table.
        side: of the workspace, metres.

    Returns:
        tips (P, 3) in metres, and which of them are admissible, bool (P,).
    """
    tips = points + setback * approach
    inside = ((tips[:, :2] >= 0) & (tips[:, :2] <= side)).all(1) & (tips[:, 2] <= side)
    if table_height is None:
        return tips + config.advance * approach, inside
    missing = (table_height + config.tip_clearance - tips[:, 2]).clamp(min=0.0)
    # Backing up raises the tip only where the hand comes from above.
    retreat = missing / (-approach[:, 2]).clamp(min=1e-3)
    room = (tips[:, 2] - table_height - ADVANCE_CLEARANCE).clamp(min=0.0)
    advance = (room / (-approach[:, 2]).clamp(min=1e-3)).clamp(max=config.advance)
    advance = torch.where(missing > 0, -retreat, advance)
    tips = tips + advance[:, None] * approach
    return tips, inside & ((missing == 0) | (retreat <= config.max_retreat))
