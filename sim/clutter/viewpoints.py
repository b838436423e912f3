"""Where the cameras of an evaluation stand: ranges on a sphere around a point, drawn anew."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equigrasp.perception.camera import view_on_sphere

Range = tuple[float, float]


@dataclass(frozen=True)
class Viewpoint:
    """Ranges that one view is drawn from, and how many cameras share the draw.

    Attributes:
        radius: distance from the target, metres.
        polar: angle from the vertical, degrees.
        azimuth: angle from x about z, degrees.
        target: (x, y, z) that every camera looks at, metres, in the workspace frame.
        count: cameras, at equal angles around the vertical through the target; the draw is the
            first one's.

    Raises:
        ValueError: naming the range that is none, or a count below 1.
    """

    radius: Range
    polar: Range
    azimuth: Range
    target: tuple[float, float, float]
    count: int = 1

    def __post_init__(self) -> None:
        for name, size in (("radius", 2), ("polar", 2), ("azimuth", 2), ("target", 3)):
            object.__setattr__(self, name, _numbers(name, getattr(self, name), size))
        for name in ("radius", "polar", "azimuth"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} is {[low, high]}; give the least value first")
        if self.radius[0] <= 0.0:
            raise ValueError(f"radius is {list(self.radius)}; a camera keeps a distance above 0 m")
        if not isinstance(self.count, int) or self.count < 1:
            raise ValueError(f"count is {self.count!r}; give a number of cameras from 1 up")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Viewpoint:
        """From a JSON-able mapping of the attributes.

        Raises:
            ValueError: naming a key that is unknown or missing.
        """
        names = ("radius", "polar", "azimuth", "target")
        for name in values:
            if name not in (*names, "count"):
                raise ValueError(f"a view has no '{name}'; it has {', '.join(names)} and count")
        for name in names:
            if name not in values:
                raise ValueError(f"{name} is missing; a view needs {', '.join(names)}")
        return cls(**values)

    def draw(self, rng: np.random.Generator) -> list[NDArray[np.float64]]:
        """`T_world_camera`, (4, 4) each, of every camera."""
        radius = rng.uniform(*self.radius)
        polar, azimuth = np.deg2rad([rng.uniform(*self.polar), rng.uniform(*self.azimuth)])
        turns = 2.0 * np.pi * np.arange(self.count) / self.count
        return [view_on_sphere(radius, polar, azimuth + turn, self.target) for turn in turns]


def _numbers(name: str, values: Any, size: int) -> tuple[float, ...]:
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != size or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{name} is {values!r}; give {size} numbers")
    return numbers
