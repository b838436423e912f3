"""Which of the predicted hands a plan lists: one check after the other, every drop counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from equigrasp.avoid import avoided, likeness
from equigrasp.candidates import Candidates
from equigrasp.detection import DetectionConfig
from equigrasp.grasp import Grasp
from equigrasp.hand import Hand
from equigrasp.placement import admissible_width, place_tips
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
    """

    hand: Hand
    workspace: Workspace
    table_height: float | None
    setback: float
    failed: Sequence[Grasp] = ()


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
    hands: Candidates, around: Surroundings, config: DetectionConfig
) -> tuple[Candidates, dict[str, int]]:
    """Hands that can be put where they are predicted, best first, and the drops by reason.

    Args:
        hands: as predicted, `tips` at the query points.
        around: what they are checked against.
        config: thresholds; hands below `config.lowest` go.
    """
    sieve = Sieve(hands)
    sieve.keep(admissible_width(hands.width, config, around.hand), "width")
    placed = place_tips(
        sieve.hands.tips,
        sieve.hands.rotation[..., 2],
        around.setback,
        config,
        around.table_height,
        side=around.workspace.side,
    )
    sieve.hands = sieve.hands._replace(tips=placed.tips)
    reached = placed.reached
    sieve.keep(reached, "table")
    sieve.keep(placed.inside[reached], "workspace")
    if around.failed:
        alike = likeness(sieve.hands, around.failed, config)
        sieve.keep(alike < 1.0, "avoid")
        sieve.hands = avoided(sieve.hands, alike[alike < 1.0])
    sieve.keep(sieve.hands.score >= config.lowest, "score")
    return sieve.hands, sieve.dropped
