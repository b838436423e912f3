"""Every threshold between the output of a network and the list of grasps, as one value."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from equigrasp.calibration import Calibration
from equigrasp.hand import Hand
from equigrasp.options import check_fields
from equigrasp.workspace import Workspace

WINDOW_LATTICE = Workspace(side=0.30, resolution=40)
"""The lattice whose steps, 7.5 mm each, `smoothing` and `nms_window` of `DetectionConfig` count."""

WIDTH_RESERVE = 0.002
"""So much (m) of the opening is kept by default: chosen on validation objects as wide as the hand,
of which a larger reserve leaves only corners to be grasped."""


UNSEEN = ("free", "careful", "blocked", "predicted")
"""What unseen space is taken for: nothing is in it; the palm must keep out of it, though fingers go
round objects; the whole hand must keep out of it; what the model's occupancy says, so that the
whole hand keeps out of what it expects to be filled."""

RANGES = {
    **dict.fromkeys(("quality_threshold", "quality_floor", "refine_share", "peak_share"), (0, 1)),
    **dict.fromkeys(("max_peaks", "max_grasps"), (1, 10**6)),
    **dict.fromkeys(("width_min", "width_max", "reach"), (0, 0.5)),
    **dict.fromkeys(("avoid_distance", "avoid_contact", "avoid_reach"), (1e-6, 1)),
    "avoid_doubt": (0, 50),
    **dict.fromkeys(("max_retreat", "advance", "clearance", "table_margin"), (0, 0.2)),
    "avoid_angle": (1e-6, math.pi),
    "border": (0, 5),
    "lattice": (2, 256),
    "min_points_between": (0, 10**5),
    "nms_window": (1, 99),
    "num_samples": (1, 1000),
    "refine_steps": (0, 100),
    "smoothing": (0, 20),
    "tip_clearance": (-0.2, 0.2),
    "z_min": (-10, 10),
}
"""(smallest, largest) values of fields of `DetectionConfig`; None is admitted where annotated."""


@dataclass(frozen=True)
class DetectionConfig:
    """Every threshold between the network's output and the list of grasps.

    Raises:
        ValueError: a value of another type, or beyond its limits (`RANGES`), named.

    Attributes:
        quality_threshold: a grasp needs at least this score to be listed; a probability of success
            where the model is calibrated (`equigrasp.calibration`).
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
            which no quality is predicted, metres. Averaged over 7.5 mm, what the published noise
            makes of a bare table stays below the default.
        border: query points keep this distance from the side walls of the workspace, metres.
        z_min: lowest query point, metres; None takes the table height (0 if unknown).
        tip_clearance: lowest finger tip above a known table, metres.
        max_retreat: a grasp whose tip would be lower than that is pulled back along its approach
            by as much as it takes, but dropped if that is more than this, metres.
        advance: grasps reach this much (m) deeper than predicted, as far as a known table allows
            (see `equigrasp.placement`). In training, a grasp that touches anything on its way
            counts as a failure; so the predicted ones are shallow, and shallow ones slip.
        clearance: distance (m) that the hand, opened a little wider than predicted, keeps from the
            observed surface on the last 5 cm of its way; None asks for nothing. See
            `equigrasp.clearance`.
        unseen: what space that no view shows is taken for: "free"; "careful", where the palm keeps
            out of it, though fingers may go round an object; "blocked"; or "predicted", where the
            whole hand keeps out of what the model's occupancy expects there.
        min_points_between: observed points that have to lie between the finger pads, at most one
            per voxel of 7.5 mm; 0 asks for nothing. Of the predicted grasps that were tried in
            simulation with fewer than 3, one in a hundred lifted something.
        refine_steps: steps by which peaks climb from their lattice points, at most one lattice step
            away on each axis; 0 for none. See `equigrasp.refine`.
        centre: whether hands are moved along their closing direction to the middle of what is seen
            between the finger pads, where both contacts are seen.
        avoid_distance, avoid_angle, avoid_contact: a hand is the same as one to be avoided if its
            tips lie this close (m) and it is turned by no more than this (radians), or if each of
            its contacts lies this close (m). The scores of its neighbours fall, the nearer the
            more, up to twice these limits; see `equigrasp.avoid`.
        avoid_reach, avoid_doubt: hands with tips this near (m) to those of one that failed are this
            much (in logits) less likely to hold, and less so up to twice the distance: what looked
            like the others slips once more. Of 26 such grasps on piles of objects not trained on,
            which promised 84 %, 31 % held.
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
    table_margin: float = 0.01
    border: float = 0.02
    z_min: float | None = None
    tip_clearance: float = 0.0
    max_retreat: float = 0.01
    advance: float = 0.02
    clearance: float | None = None
    unseen: str = "free"
    min_points_between: int = 3
    refine_steps: int = 0
    centre: bool = False
    avoid_distance: float = 0.02
    avoid_angle: float = math.pi / 6
    avoid_contact: float = 0.01
    avoid_reach: float = 0.04
    avoid_doubt: float = 2.4
    lattice: int | None = None
    coarse_to_fine: bool = True
    refine_share: float = 0.8
    peak_share: float = 0.8

    def __post_init__(self) -> None:
        check_fields(self, RANGES)
        if self.nms_window % 2 == 0:
            raise ValueError(
                f"nms_window is {self.nms_window}; it must be odd, an even window is not centred "
                "and breaks the symmetry"
            )
        if self.lattice is not None and self.lattice % 2:
            raise ValueError(f"lattice is {self.lattice}; it must be even, so that turns are exact")
        if self.quality_floor > self.quality_threshold:
            raise ValueError(
                f"quality_floor={self.quality_floor}, quality_threshold={self.quality_threshold}; "
                "need 0 <= floor <= threshold <= 1"
            )
        if self.width_max is not None and self.width_min >= self.width_max:
            raise ValueError(f"widths {self.width_min} to {self.width_max} m admit no grasp")
        if self.unseen not in UNSEEN:
            raise ValueError(f"unseen is {self.unseen!r}; choose one of {', '.join(UNSEEN)}")

    def before(self, calibration: Calibration) -> DetectionConfig:
        """The same thresholds for scores that are not calibrated yet."""
        if calibration.is_identity:
            return self
        threshold, floor = calibration.inverse([self.quality_threshold, self.quality_floor])
        return replace(self, quality_threshold=float(threshold), quality_floor=float(floor))

    @property
    def lowest(self) -> float:
        """Lowest score of a grasp that may be listed, be it as the only one."""
        return self.quality_floor if self.force else self.quality_threshold

    def floor(self, table: float | None) -> float | None:
        """Height up to which surface is that of a table (m); None where no table is known."""
        return None if table is None else table + self.table_margin

    def widest(self, hand: Hand) -> float:
        """Largest admissible predicted opening of a hand, metres."""
        return hand.opening - WIDTH_RESERVE if self.width_max is None else self.width_max

    def windows(self, lattice: Workspace) -> tuple[float, int]:
        """`smoothing` and `nms_window` in steps of a lattice; the window stays odd."""
        scale = lattice.resolution / WINDOW_LATTICE.resolution
        scale *= WINDOW_LATTICE.side / lattice.side
        return self.smoothing * scale, 1 + 2 * int((self.nms_window * scale - 1) / 2)
