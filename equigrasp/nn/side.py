"""How the side planes keep the symmetry: the three `side_features` modes as interchangeable rules.

A quarter turn g of the scene sends the side planes A(x, z) and B(y, z) to one another: A becomes
mirror . B, B becomes A, where the mirror flips the horizontal axis and exchanges the channels of a
pair (see `equigrasp.nn.planes`). Turning twice, each plane comes back mirrored. A side plane by
itself therefore knows one symmetry only, the mirror group C2 = {1, g g}, and both can share a
network that commutes with the mirror. What its two outputs say *together* at a point is a field of
the whole group C4 again: the representation induced from C2. The rules differ in how much of that
they keep:

* ``induced``: all of it. The values (a0, b0, a1, b1) of a pair of channels at a point roll by one
  under g: a regular field, and which way a side lies is kept.
* ``sum``: its invariant part, a0 + b0 + a1 + b1. The published argument "the sum of XZ and YZ is
  invariant", made exact.
* ``plain``: no rule for the network between; an ordinary side network, as published, not exact.

Notation: a table plane of width w has w regular C4 fields, 4 w channels; so has the lifted volume.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from equigrasp.nn.fields import FieldType
from equigrasp.nn.planes import align_sides, mean_over, mirror_to_turn


@runtime_checkable
class SideRule(Protocol):
    """Types and maps of side features, from the volume to a point and to the table plane.

    Attributes:
        exact: whether networks by this rule commute with quarter turns.
    """

    exact: bool

    def field(self, width: int) -> FieldType:
        """Type inside the side network where the table plane has `width` regular fields."""

    def input_field(self, lifted: int) -> FieldType:
        """Type of what `project` makes of a volume of `lifted` regular fields."""

    def output_field(self, width: int) -> FieldType:
        """Type of what the side network returns."""

    def point_field(self, side: FieldType) -> FieldType:
        """Type under C4 of what `join` makes of two planes of type `side`."""

    def exchange_field(self, side: FieldType) -> FieldType:
        """Type under C4 in which profiles of two planes of type `side` enter the table plane."""

    def profile_field(self, fields: int) -> FieldType | None:
        """Type of the table plane's profiles, of `fields` regular fields, at the side network.

        None if the table plane tells the side planes nothing.
        """

    def project(self, over_x: Tensor, over_y: Tensor, lifted: int) -> tuple[Tensor, Tensor]:
        """Side planes of a volume.

        Args:
            over_x: (B, 4 lifted, Y, Z), mean of its regular C4 fields.
            over_y: (B, 4 lifted, X, Z), mean of its regular C4 fields.
            lifted: number of these fields.

        Returns:
            A (B, C, X, Z) and B (B, C, Y, Z) of type `input_field`.
        """

    def join(self, a: Tensor | None, b: Tensor | None, side: FieldType, dim: int = 1) -> Tensor:
        """One feature of both planes' values at the same points.

        Args:
            a, b: values of the planes, channels along `dim`; one may be None, for zeros.
            side: type of the planes.
            dim: axis of the channels.

        Returns:
            the same shape but for `dim`, which has the channels of `point_field`.
        """

    def join_profiles(self, a: Tensor | None, b: Tensor | None, side: FieldType) -> Tensor:
        """As `join`, for profiles (B, C, N) of type `side`; gives channels of `exchange_field`."""

    def table_to_sides(self, xy: Tensor, fields: int) -> tuple[Tensor, Tensor] | None:
        """Profiles of the table plane for the two side planes.

        Args:
            xy: (B, 4 fields, X, Y), regular C4 fields.
            fields: their number.

        Returns:
            (B, C, X) for A and (B, C, Y) for B of type `profile_field`; None if that is None.
        """


class InducedSides:
    """Side planes as fields induced from the mirror up to the turns: nothing is pooled away.

    Regular C4 channels r and r + 2 differ by half a turn, which mirrors a side plane; as pairs they
    are regular C2 fields, two for every C4 field.
    """

    exact = True

    def field(self, width: int) -> FieldType:
        """Two regular C2 fields for each of `width` C4 fields: as many channels."""
        return FieldType("C2", regular=2 * width)

    def input_field(self, lifted: int) -> FieldType:
        """All that was lifted, in pairs."""
        return self.field(lifted)

    def output_field(self, width: int) -> FieldType:
        """The type inside the network."""
        return self.field(width)

    def point_field(self, side: FieldType) -> FieldType:
        """A regular C4 field (a0, b0, a1, b1) for every regular C2 field of both planes."""
        return FieldType("C4", regular=side.regular)

    def exchange_field(self, side: FieldType) -> FieldType:
        """The type of joined values."""
        return self.point_field(side)

    def profile_field(self, fields: int) -> FieldType | None:
        """Two regular C2 fields for each of the table plane's `fields`."""
        return FieldType("C2", regular=2 * fields)

    def project(self, over_x: Tensor, over_y: Tensor, lifted: int) -> tuple[Tensor, Tensor]:
        """The mean over y, and that over x turned back by one channel, so that B lies as A."""
        return align_sides(over_x, over_y, lifted)

    def join(self, a: Tensor | None, b: Tensor | None, side: FieldType, dim: int = 1) -> Tensor:
        """Interleave the pairs of both planes: (a0, b0, a1, b1), which g rolls by one."""
        return mirror_to_turn(*_filled(a, b), dim)

    def join_profiles(self, a: Tensor | None, b: Tensor | None, side: FieldType) -> Tensor:
        """As `join`."""
        return self.join(a, b, side)

    def table_to_sides(self, xy: Tensor, fields: int) -> tuple[Tensor, Tensor] | None:
        """Means over y, and over x turned back by one: as `project`, of a plane."""
        return align_sides(mean_over(xy, 2), mean_over(xy, 3), fields)


class SumSides(InducedSides):
    """Invariants into a network that commutes with the mirror, and an invariant sum out of it.

    The mean over the four channels of a lifted field does not change under g but for its place, so
    its two projections are scalars of the mirror, sent to one another by g: their sum at a point is
    invariant, and so is the sum of what a mirror-equivariant network makes of them.
    """

    def input_field(self, lifted: int) -> FieldType:
        """One scalar for every lifted field: the mean of its channels."""
        return FieldType("C2", trivial=lifted)

    def output_field(self, width: int) -> FieldType:
        """Scalars of the mirror, as many as there are channels inside."""
        return FieldType("C2", trivial=4 * width)

    def point_field(self, side: FieldType) -> FieldType:
        """A scalar for every field of the side planes."""
        return FieldType("C4", trivial=side.regular + side.trivial)

    def profile_field(self, fields: int) -> FieldType | None:
        """One scalar for each of the table plane's `fields`."""
        return FieldType("C2", trivial=fields)

    def project(self, over_x: Tensor, over_y: Tensor, lifted: int) -> tuple[Tensor, Tensor]:
        """Means over y and over x of the mean over each field's channels."""
        a, b = (mean.unflatten(1, (lifted, 4)).mean(2) for mean in (over_y, over_x))
        return a, b

    def join(self, a: Tensor | None, b: Tensor | None, side: FieldType, dim: int = 1) -> Tensor:
        """The sum of both planes and, of regular fields, over each pair: a0 + b0 + a1 + b1."""
        total = _sum(a, b)
        if not side.regular:
            return total
        return total.unflatten(dim, (side.regular, 2)).sum(dim + 1)

    def table_to_sides(self, xy: Tensor, fields: int) -> tuple[Tensor, Tensor] | None:
        """Means over y and over x of the mean over each field's channels."""
        invariant = xy.unflatten(1, (fields, 4)).mean(2)
        return mean_over(invariant, 3), mean_over(invariant, 2)


class PlainSides:
    """The published side network: unconstrained channels on the XZ and YZ planes as they are.

    Its features are called scalars where they meet the table plane and the heads, which they are
    not. They flow to the table plane only.
    """

    exact = False

    def field(self, width: int) -> FieldType:
        """As many free channels as the table plane has."""
        return FieldType("C1", trivial=4 * width)

    def input_field(self, lifted: int) -> FieldType:
        """All lifted channels."""
        return self.field(lifted)

    def output_field(self, width: int) -> FieldType:
        """The type inside the network."""
        return self.field(width)

    def point_field(self, side: FieldType) -> FieldType:
        """The channels of both planes, taken for scalars."""
        return FieldType("C4", trivial=2 * side.trivial)

    def exchange_field(self, side: FieldType) -> FieldType:
        """The channels of one plane, taken for scalars: profiles are added."""
        return FieldType("C4", trivial=side.trivial)

    def profile_field(self, fields: int) -> FieldType | None:
        """None: the table plane tells the side planes nothing."""
        return None

    def project(self, over_x: Tensor, over_y: Tensor, lifted: int) -> tuple[Tensor, Tensor]:
        """The means over y and over x, channels as they are."""
        return over_y, over_x

    def join(self, a: Tensor | None, b: Tensor | None, side: FieldType, dim: int = 1) -> Tensor:
        """The channels of A, then those of B."""
        return torch.cat(_filled(a, b), dim)

    def join_profiles(self, a: Tensor | None, b: Tensor | None, side: FieldType) -> Tensor:
        """The sum of both."""
        return _sum(a, b)

    def table_to_sides(self, xy: Tensor, fields: int) -> tuple[Tensor, Tensor] | None:
        """None, see `profile_field`."""
        return None


SIDES: dict[str, SideRule] = {
    "induced": InducedSides(),
    "sum": SumSides(),
    "plain": PlainSides(),
}
"""Rules by the name of their mode."""


def side_rule(name: str) -> SideRule:
    """The rule of a `side_features` mode.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in SIDES:
        raise ValueError(f"side_features is {name!r}; use one of {', '.join(SIDES)}")
    return SIDES[name]


def _filled(a: Tensor | None, b: Tensor | None) -> tuple[Tensor, Tensor]:
    """Both, with zeros for the one that is None."""
    a = torch.zeros_like(b) if a is None else a
    return a, torch.zeros_like(a) if b is None else b


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor:
    """Their sum, or the one that is not None."""
    return a if b is None else b if a is None else a + b
