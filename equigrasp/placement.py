"""From predictions at query points to hands that can be put there: openings and finger tips."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from equigrasp.detection import DetectionConfig
from equigrasp.hand import PANDA, Hand
from equigrasp.workspace import WORKSPACE

ADVANCE_CLEARANCE = 0.003
"""Where `advance` pushes finger tips deeper than predicted, they stop this far (m) over a known
table."""


def admissible_width(width: Tensor, config: DetectionConfig, hand: Hand = PANDA) -> Tensor:
    """Which openings (P,) lie in the configured range: bool (P,)."""
    return (width >= config.width_min) & (width <= config.widest(hand))


class Placed(NamedTuple):
    """Finger tips (P, 3) in metres; which of them need no more than `max_retreat` to stay off the
    table, and which lie in the workspace cube, bool (P,)."""

    tips: Tensor
    reached: Tensor
    inside: Tensor


def place_tips(
    points: Tensor,
    approach: Tensor,
    setback: float,
    config: DetectionConfig,
    table_height: float | None,
    *,
    side: float = WORKSPACE.side,
) -> Placed:
    """Finger tips of grasps read at query points, held off the table.

    Args:
        points: (P, 3) query points, metres.
        approach: (P, 3) unit vectors.
        setback: `query_setback` of the model, metres.
        config: `tip_clearance`, `max_retreat`, `advance`.
        table_height: metres; None where there is no known table, and the cube's floor is the limit.
        side: of the workspace, metres.
    """
    tips = points + setback * approach
    reached = torch.ones_like(tips[:, 2], dtype=torch.bool)
    advance = torch.full_like(tips[:, 2], config.advance)
    if table_height is not None:
        missing = (table_height + config.tip_clearance - tips[:, 2]).clamp(min=0.0)
        # Backing up raises the tip only where the hand comes from above.
        retreat = missing / (-approach[:, 2]).clamp(min=1e-3)
        room = (tips[:, 2] - table_height - ADVANCE_CLEARANCE).clamp(min=0.0)
        advance = (room / (-approach[:, 2]).clamp(min=1e-3)).clamp(max=config.advance)
        advance = torch.where(missing > 0, -retreat, advance)
        reached = (missing == 0) | (retreat <= config.max_retreat)
    tips = tips + advance[:, None] * approach
    return Placed(tips, reached, ((tips >= 0) & (tips <= side)).all(1))
