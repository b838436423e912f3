"""The workspace as one value: side of the cube, height of the table, number of voxels."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from equigrasp.options import is_finite


@dataclass(frozen=True)
class Workspace:
    """A cube over a table. Its lower corner is the origin of the workspace frame, z points up.

    The default is that of the published VGN/GIGA protocol: six finger depths wide, the table one
    finger depth above the floor.

    Attributes:
        side: of the cube, metres.
        table_height: of the table's surface over the cube's floor, metres; negative where the
            cube floats above the table.
        resolution: voxels per side; even, so that quarter turns are exact.

    Raises:
        ValueError: naming the value and its limits.
    """

    side: float = 0.30
    table_height: float = 0.05
    resolution: int = 40

    def __post_init__(self) -> None:
        for name in ("side", "table_height", "resolution"):
            if not is_finite(getattr(self, name)):
                raise ValueError(f"{name} is {getattr(self, name)!r}; give a finite number")
        if not 0.01 <= self.side <= 10.0:
            raise ValueError(f"side is {self.side} m; a workspace is 0.01 to 10 m wide")
        if not -10.0 <= self.table_height < self.side:
            raise ValueError(
                f"table_height is {self.table_height} m; the table lies below the ceiling of the "
                f"cube, which is at {self.side} m"
            )
        if self.resolution != int(self.resolution) or not 2 <= self.resolution <= 1024:
            raise ValueError(f"resolution is {self.resolution}; give 2 to 1024 voxels per side")

    @classmethod
    def of(cls, value: Workspace | Mapping[str, Any]) -> Workspace:
        """A workspace from what a card or a configuration holds; a workspace is returned as is.

        Raises:
            ValueError: unknown entries, or see the class.
        """
        if isinstance(value, Workspace):
            return value
        names = [each.name for each in fields(cls)]
        if not isinstance(value, Mapping) or not set(value) <= set(names):
            raise ValueError(f"a workspace is {reprlib.repr(value)}; it has {', '.join(names)}")
        return cls(**value)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; `Workspace.of` is its inverse."""
        return asdict(self)

    @property
    def voxel(self) -> float:
        """Side of a voxel, metres."""
        return self.side / self.resolution


WORKSPACE = Workspace()
"""The published workspace: what scenes are made in, and what names no other."""


def require_same_cube(
    first: Workspace, first_owner: str, second: Workspace, second_owner: str
) -> None:
    """Refuse to bring together what was made for different cubes; the resolution may differ.

    Args:
        first, second: the workspaces.
        first_owner, second_owner: what they belong to, for the message: "the model", "data/pile".

    Raises:
        ValueError: naming both workspaces and the remedy.
    """
    if (first.side, first.table_height) != (second.side, second.table_height):
        raise ValueError(
            f"{first_owner} is for a workspace {first.side} m wide with a table at "
            f"{first.table_height} m, {second_owner} for one {second.side} m wide with a table at "
            f"{second.table_height} m; use the same workspace for both"
        )
