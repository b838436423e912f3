"""From predictions at query points to hands that can be put there: openings and finger tips."""

from __future__ import annotations

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
