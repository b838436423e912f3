"""The tri-plane UNet: one steerable UNet on the table plane and one shared by both side planes.

They run level by level because they exchange profiles after every block.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.nn.blocks import DoubleConv, ResidualBlock, TransposedUp, UpConv
from equigrasp.nn.exchange import Exchange
from equigrasp.nn.fields import FieldType
from equigrasp.nn.kernel_basis import BasisBank
from equigrasp.nn.layers import Layers
from equigrasp.nn.side import SideRule
from equigrasp.nn.steerable import convolution

OURS = Layers()


def twice(field: FieldType) -> FieldType:
    """Type of two concatenated feature maps of the same type."""
    return FieldType(field.group, 2 * field.regular, 2 * field.vector, 2 * field.trivial)


class Level(nn.Module):
    """One block on each plane and, unless told otherwise, the exchange between them."""

    def __init__(
        self,
        xy: tuple[FieldType, FieldType],
        side: tuple[FieldType, FieldType],
        rule: SideRule,
        bank: BasisBank,
        deform_xy: str,
        deform_side: str,
        norm: str,
        exchange: bool,
        fusion: str,
    ) -> None:
        super().__init__()
        self.xy = ResidualBlock(*xy, bank, deform=deform_xy, norm=norm)
        self.side = DoubleConv(*side, bank, deform=deform_side, norm=norm)
        self.exchange = Exchange(xy[1], side[1], rule, bank, fusion) if exchange else None

    def forward(self, xy: Tensor, sides: Tensor) -> tuple[Tensor, Tensor]:
        """xy (B, C, N, N) and sides (2B, C', N, N), A before B along the batch; same sizes out."""
        xy, sides = self.xy(xy), self.side(sides)
        return (xy, sides) if self.exchange is None else self.exchange(xy, sides)


class TriPlaneUNet(nn.Module):
    """UNets with exchange.

    Args:
        fields: regular fields of the table plane at full resolution; doubled at every level.
        depth: number of resolutions; the grid must be divisible by 2**(depth - 1).
        rule: side-feature mode.
        bank: where kernel bases come from.
        deform_xy, deform_side: "none", "orbit" or "full", for every 3x3 convolution of the table
            plane's and the side planes' blocks; "published" for the table plane's.
        norm: "group", "none" or "nowhere".
        exchange: whether the planes tell each other what they see.
        layers: further choices.
    """

    def __init__(
        self,
        fields: int,
        depth: int,
        rule: SideRule,
        bank: BasisBank,
        *,
        deform_xy: str = "none",
        deform_side: str = "none",
        norm: str = "group",
        exchange: bool = True,
        layers: Layers = OURS,
    ) -> None:
        super().__init__()
        self.pool_xy = F.avg_pool2d if layers.pool == "average" else F.max_pool2d
        xy = [FieldType("C4", regular=fields * 2**level) for level in range(depth)]
        side = [rule.field(fields * 2**level) for level in range(depth)]
        xy_in, side_in = [xy[0], *xy], [rule.input_field(fields), *side]
        options = {"rule": rule, "bank": bank, "norm": norm, "exchange": exchange}
        options |= {"deform_xy": deform_xy, "deform_side": deform_side, "fusion": layers.fusion}
        self.down = nn.ModuleList(
            Level((xy_in[i], xy[i]), (side_in[i], side[i]), **options) for i in range(depth)
        )
        rising = range(depth - 2, -1, -1)
        self.up_xy = nn.ModuleList(
            UpConv(xy[i + 1], xy[i], bank, norm, layers.corners) for i in rising
        )
        self.up_side = nn.ModuleList(
            UpConv(side[i + 1], side[i], bank, norm, layers.corners)
            if rule.exact
            else TransposedUp(side[i + 1], side[i])
            for i in rising
        )
        self.up = nn.ModuleList(
            Level((twice(xy[i]), xy[i]), (twice(side[i]), side[i]), **options) for i in rising
        )
        self.out_xy = convolution(xy[0], xy[0], 1, bank)
        self.out_side = convolution(side[0], rule.output_field(fields), 1, bank)

    def forward(self, xy: Tensor, sides: Tensor) -> tuple[Tensor, Tensor]:
        """xy (B, C, N, N) and sides (2B, C', N, N), A before B along the batch; same sizes out."""
        skips = []
        for index, level in enumerate(self.down):
            if index:
                xy, sides = self.pool_xy(xy, 2), F.max_pool2d(sides, 2)
            xy, sides = level(xy, sides)
            skips.append((xy, sides))
        skips.pop()
        for up_xy, up_side, level in zip(self.up_xy, self.up_side, self.up, strict=True):
            skip_xy, skip_side = skips.pop()
            xy = torch.cat([up_xy(xy), skip_xy], 1)
            sides = torch.cat([up_side(sides), skip_side], 1)
            xy, sides = level(xy, sides)
        return self.out_xy(xy), self.out_side(sides)
