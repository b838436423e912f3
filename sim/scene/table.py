"""The table: one slab of 1.2 x 1.2 m under a workspace, for physics and for rays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from equigrasp.workspace import Workspace

SIDE = 1.2
THICKNESS = 0.012


@dataclass(frozen=True)
class Table:
    """The slab, its top at the workspace's table height, its middle under the workspace's.

    Attributes:
        workspace: what it stands under.
        friction: its lateral friction.
    """

    workspace: Workspace
    friction: float = 0.5

    @property
    def half_extents(self) -> tuple[float, float, float]:
        """Half of its sides, metres."""
        return SIDE / 2, SIDE / 2, THICKNESS / 2

    @property
    def centre(self) -> tuple[float, float, float]:
        """Its middle, workspace frame."""
        middle = self.workspace.side / 2
        return middle, middle, self.workspace.table_height - THICKNESS / 2

    @cached_property
    def bounds(self) -> np.ndarray:
        """(2, 3) lower and upper corner, workspace frame."""
        low, high = self.workspace.side / 2 - SIDE / 2, self.workspace.side / 2 + SIDE / 2
        top = self.workspace.table_height
        return np.array([[low, low, top - THICKNESS], [high, high, top]])

    def distance(self, origin: Sequence[np.ndarray], direction: Sequence[np.ndarray]) -> np.ndarray:
        """Distance at which rays enter the slab (leave it, from inside); inf if they miss it.

        Args:
            origin, direction: three arrays each, x, y and z, that broadcast together; float32.
                Distances are in units of the length of the direction.
        """
        enter, leave = np.float32(-np.inf), np.float32(np.inf)
        lower, upper = self.bounds
        with np.errstate(divide="ignore", invalid="ignore"):
            for axis in range(3):
                inverse = 1.0 / direction[axis]
                a = (np.float32(lower[axis]) - origin[axis]) * inverse
                b = (np.float32(upper[axis]) - origin[axis]) * inverse
                # fmin and fmax skip the 0 * inf of a ray that runs inside a face plane.
                enter = np.fmax(enter, np.fmin(a, b))
                leave = np.fmin(leave, np.fmax(a, b))
        first = np.where(enter > 0.0, enter, leave)
        return np.where((enter <= leave) & (leave > 0.0), first, np.float32(np.inf))

    def normal(self, point: np.ndarray) -> np.ndarray:
        """(n, 3) outward normal of the face that each of (n, 3) surface points is nearest to."""
        lower, upper = self.bounds
        centre, half = (lower + upper) / 2, (upper - lower) / 2
        offset = point - centre
        face = np.argmin(np.abs(half - np.abs(offset)), axis=1)
        normal = np.zeros_like(point)
        index = np.arange(len(point))
        normal[index, face] = np.sign(offset[index, face])
        return normal
