"""Which of the predicted hands a plan lists: one check after the other, every drop counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from equigrasp.avoid import avoided, doubt, likeness
from equigrasp.calibration import Calibration
from equigrasp.candidates import Candidates
from equigrasp.clearance import (
    FEW,
    UNSEEN_SHARE,
    Observed,
    collisions,
    points_between,
    unseen_share,
)
from equigrasp.detection import DetectionConfig
from equigrasp.geometry.transforms import Matrix
from equigrasp.grasp import Grasp
from equigrasp.hand import Hand
from equigrasp.placement import Placed, admissible_width, place_tips
from equigrasp.refine import off_middle
from equigrasp.wanted import ANY, Wanted
from equigrasp.workspace import Workspace


@dataclass(frozen=True)
class Surroundings:
    """What hands are checked against, in the workspace frame.

    Attributes:
        hand: that will grasp.
        workspace: that the tips stay in.
        table_height: metres; None if it is not known.
        setback: `query_setback` of the model, metres.
        failed: grasps that are not to be tried again.
        seen: what views show; None where nothing is asked of it.
        wanted: limits on the grasps that are asked for.
        T_given_workspace: (4, 4) pose of the workspace in the frame of these limits; None if they
            are one.
    """

    hand: Hand
    workspace: Workspace
    table_height: float | None
    setback: float
    failed: Sequence[Grasp] = ()
    seen: Observed | None = None
    wanted: Wanted = ANY
    T_given_workspace: Matrix | None = None


@dataclass
class Sieve:
    """Hands that are left, and how many went for which reason.

    Attributes:
        hands: those left, best first.
        dropped: number of hands by reason, see `equigrasp.plan_result.DROPS`; each is counted once,
            for the first reason met.
    """

    hands: Candidates
    dropped: dict[str, int] = field(default_factory=dict)

    def keep(self, good: Tensor, otherwise: str) -> None:
        """Drop the hands that are not `good` (P,), for the reason `otherwise`."""
        if lost := int((~good).sum()):
            self.dropped[otherwise] = self.dropped.get(otherwise, 0) + lost
            self.hands = self.hands.chosen(good)


def sift(
    hands: Candidates,
    around: Surroundings,
    config: DetectionConfig,
    calibration: Calibration | None = None,
    learned: Hand | None = None,
) -> tuple[Candidates, dict[str, int]]:
    """Hands that can be put where they are predicted, best first, and the drops by reason.

    Args:
        hands: as predicted, `tips` at the query points.
        around: what they are checked against.
        config: thresholds; hands below `config.lowest` go.
        calibration: of their scores, which hangs on where they are put; None for the identity.
        learned: the hand that it was fitted with; None if it is the one that will grasp.
    """
    sieve = Sieve(hands)
    sieve.keep(admissible_width(hands.width, config, around.hand), "width")
    placed = _placed(sieve.hands, around, config)
    if config.centre and around.seen is not None:
        at_tips = sieve.hands._replace(tips=placed.tips)
        shift = off_middle(at_tips, around.hand, around.seen.objects)
        sieve.hands = sieve.hands._replace(tips=sieve.hands.tips + shift)
        placed = _placed(sieve.hands, around, config)
    sieve.hands = sieve.hands._replace(tips=placed.tips)
    sieve.keep(placed.reached, "table")
    sieve.keep(placed.inside[placed.reached], "workspace")
    asked, T = around.wanted, around.T_given_workspace
    sieve.keep(asked.holds(sieve.hands.tips, T), "region")
    sieve.keep(asked.admits(sieve.hands.rotation[..., 2], T), "approach")
    if calibration is not None:
        table = around.table_height
        table = around.workspace.table_height if table is None else table
        sieve.hands = sieve.hands.calibrated(calibration, (learned or around.hand).opening, table)
    if around.failed:
        alike = likeness(sieve.hands, around.failed, config)
        sieve.keep(alike < 1.0, "avoid")
        doubts = doubt(sieve.hands, around.failed, config)
        sieve.hands = avoided(sieve.hands, alike[alike < 1.0], doubts)
    sieve.keep(sieve.hands.score >= config.lowest, "score")
    if around.seen is not None:
        _look(sieve, around.hand, around.workspace, around.seen, config)
    return sieve.hands, sieve.dropped


def _placed(hands: Candidates, around: Surroundings, config: DetectionConfig) -> Placed:
    return place_tips(
        hands.tips,
        hands.rotation[..., 2],
        around.setback,
        config,
        around.table_height,
        side=around.workspace.side,
    )


def _look(
    sieve: Sieve, hand: Hand, workspace: Workspace, seen: Observed, config: DetectionConfig
) -> None:
    """Drop hands that get into the way of what was seen, or close on nothing that was seen."""
    if config.clearance is not None:
        touched = collisions(sieve.hands, hand, seen.points, config.clearance)
        sieve.keep(touched <= FEW, "clearance")
    if config.unseen == "predicted" and seen.expected is not None:
        touched = collisions(sieve.hands, hand, seen.expected, config.clearance or 0.0)
        sieve.keep(touched <= FEW, "unseen")
    elif config.unseen in ("careful", "blocked") and seen.unseen is not None:
        fingers = config.unseen == "blocked"
        hidden = unseen_share(sieve.hands, hand, seen.unseen, workspace, fingers=fingers)
        sieve.keep(hidden <= UNSEEN_SHARE, "unseen")
    if config.min_points_between:
        between = points_between(sieve.hands, hand, seen.objects)
        sieve.keep(between >= config.min_points_between, "nothing_between")
    if seen.masked is not None:
        between = points_between(sieve.hands, hand, seen.objects)
        masked = points_between(sieve.hands, hand, seen.masked)
        sieve.keep((masked > 0) & (2 * masked >= between), "mask")
