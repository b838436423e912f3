"""Information flow between the table plane and the side planes inside the UNets.

Side profiles (means over z) are broadcast along the missing axis and enter the table plane through
a steerable 1x1 convolution; profiles of the table plane enter the side planes likewise. This is
the largest single gain in the published ablation (arXiv 2507.18847, Table IV, rows 5 and 7).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from equigrasp.nn.fields import FieldType
from equigrasp.nn.kernel_basis import BasisBank
from equigrasp.nn.side import SideRule
from equigrasp.nn.steerable import convolution


class Exchange(nn.Module):
    """Add what each plane knows about the others.

    Args:
        table: type of the table plane's regular fields.
        side: type inside the side network at this level.
        rule: the side-feature mode.
        bank: where kernel bases come from.
        fusion: "add" what a convolution makes of the profiles to the table plane, or "concatenate"
            them and make the table plane of both, as published.
    """

    def __init__(
        self,
        table: FieldType,
        side: FieldType,
        rule: SideRule,
        bank: BasisBank,
        fusion: str = "add",
    ) -> None:
        super().__init__()
        self.rule, self.table, self.side = rule, table, side
        self.joined = fusion == "concatenate"
        lines = rule.exchange_field(side)
        if self.joined:
            lines = FieldType("C4", table.regular + lines.regular, lines.vector, lines.trivial)
        self.to_table = convolution(lines, table, 1, bank)
        profile = rule.profile_field(table.regular)
        self.to_sides = None if profile is None else convolution(profile, side, 1, bank)

    def forward(self, xy: Tensor, sides: Tensor) -> tuple[Tensor, Tensor]:
        """xy (B, C, X, Y) and sides (2B, C', X, Z), A before B along the batch; same shapes out."""
        a, b = sides.mean(3).chunk(2)
        rule, side = self.rule, self.side
        # the stacked profiles are a sum of a part constant in y and one constant in x, so the
        # convolution acts on two lines instead of a plane
        from_a, from_b = rule.join_profiles(a, None, side), rule.join_profiles(None, b, side)
        if self.joined:
            plane = from_a.unsqueeze(3) + from_b.unsqueeze(2)
            mixed = self.to_table(torch.cat([xy, plane], 1))
        else:
            lines = torch.cat([from_a, from_b]).unsqueeze(3)
            from_a, from_b = self.to_table(lines).chunk(2)
            mixed = xy + (from_a + from_b.transpose(2, 3))
        profiles = rule.table_to_sides(xy, self.table.regular)
        if profiles is not None:
            sides = sides + self.to_sides(torch.cat(profiles).unsqueeze(3))
        return mixed, sides
