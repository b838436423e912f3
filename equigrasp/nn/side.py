"""How side-plane features are typed: the three `side_features` modes as interchangeable rules.

* ``induced``: mirror-regular fields that become turn-regular at a point; nothing is pooled away.
* ``sum``: the published argument "the sum of XZ and YZ is invariant", made exact; side features
  reach the table plane and the heads only through their invariant part.
* ``plain``: the published ordinary side network on unconstrained channels; not equivariant.
"""

from __future__ import annotations

import torch
from torch import Tensor

from equigrasp.nn.fields import FieldType
from equigrasp.nn.planes import mean_over, mirror_to_turn, project_sides, roll_back, turn_to_mirror

SIDE_FEATURES = ("induced", "sum", "plain")


class InducedSides:
    """Side planes as fields induced from the mirror group up to the turns."""

    exact, both_ways = True, True

    def field(self, width: int) -> FieldType:
        """Type inside the side network where the table plane has `width` regular fields."""
        return FieldType("C2", regular=2 * width)

    def input_field(self, lifted: int) -> FieldType:
        return self.field(lifted)

    def output_field(self, width: int) -> FieldType:
        return self.field(width)

    def point_field(self, side: FieldType) -> FieldType:
        """Type of the two side planes' values at one point, as the table plane sees them."""
        return FieldType("C4", regular=side.regular)

    def project(self, volume: Tensor, lifted: int) -> tuple[Tensor, Tensor]:
        return project_sides(volume, lifted)

    def join(self, a: Tensor | None, b: Tensor | None, side: FieldType, dim: int = 1) -> Tensor:
        """Values of both planes at the same points, channels along `dim`; None stands for zero."""
        a = torch.zeros_like(b) if a is None else a
        return mirror_to_turn(a, torch.zeros_like(a) if b is None else b, dim)

    def exchange_field(self, side: FieldType) -> FieldType:
        """Type in which side profiles enter the table plane."""
        return self.point_field(side)

    def join_profiles(self, a: Tensor | None, b: Tensor | None, side: FieldType) -> Tensor:
        """As `join`, for the profiles exchanged between the networks."""
        return self.join(a, b, side)

    def table_to_sides(self, xy: Tensor, fields: int) -> tuple[Tensor, Tensor]:
        """Profiles (B, C, X) and (B, C, Y) of the table plane for the two side planes."""
        a = turn_to_mirror(mean_over(xy, 3), fields)
        return a, turn_to_mirror(roll_back(mean_over(xy, 2), fields), fields)

    def profile_field(self, fields: int) -> FieldType:
        return FieldType("C2", regular=2 * fields)


class SummedSides(InducedSides):
    """Invariant volumes into a mirror-equivariant side network; the invariant sum out of it."""

    def input_field(self, lifted: int) -> FieldType:
        return FieldType("C2", trivial=lifted)

    def output_field(self, width: int) -> FieldType:
        return FieldType("C2", trivial=4 * width)

    def point_field(self, side: FieldType) -> FieldType:
        return FieldType("C4", trivial=side.regular + side.trivial)

    def project(self, volume: Tensor, lifted: int) -> tuple[Tensor, Tensor]:
        planes = mean_over(volume, 3), mean_over(volume, 2)
        a, b = (plane.unflatten(1, (lifted, 4)).mean(2) for plane in planes)
        return a, b

    def join(self, a: Tensor | None, b: Tensor | None, side: FieldType, dim: int = 1) -> Tensor:
        total = a if b is None else b if a is None else a + b
        if not side.regular:
            return total
        return total.unflatten(dim, (side.regular, 2)).sum(dim + 1)

    def table_to_sides(self, xy: Tensor, fields: int) -> tuple[Tensor, Tensor]:
        invariant = xy.unflatten(1, (fields, 4)).mean(2)
        return mean_over(invariant, 3), mean_over(invariant, 2)

    def profile_field(self, fields: int) -> FieldType:
        return FieldType("C2", trivial=fields)


class PlainSides:
    """Unconstrained channels on the raw XZ and YZ planes; information flows to the table only."""

    exact, both_ways = False, False

    def field(self, width: int) -> FieldType:
        return FieldType("C1", trivial=4 * width)

    def input_field(self, lifted: int) -> FieldType:
        return self.field(lifted)

    def output_field(self, width: int) -> FieldType:
        return self.field(width)

    def point_field(self, side: FieldType) -> FieldType:
        return FieldType("C4", trivial=2 * side.trivial)

    def project(self, volume: Tensor, lifted: int) -> tuple[Tensor, Tensor]:
        return mean_over(volume, 3), mean_over(volume, 2)

    def join(self, a: Tensor | None, b: Tensor | None, side: FieldType, dim: int = 1) -> Tensor:
        a = torch.zeros_like(b) if a is None else a
        return torch.cat([a, torch.zeros_like(a) if b is None else b], dim)

    def exchange_field(self, side: FieldType) -> FieldType:
        return FieldType("C4", trivial=side.trivial)

    def join_profiles(self, a: Tensor | None, b: Tensor | None, side: FieldType) -> Tensor:
        return a if b is None else b if a is None else a + b


SIDES = {"induced": InducedSides(), "sum": SummedSides(), "plain": PlainSides()}
