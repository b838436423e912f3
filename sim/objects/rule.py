"""What a kind of scene asks of its objects: their sizes, how they lie, which ones there are.

Nothing here loads a mesh, so that the parent process of a run can look scene kinds up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from sim.objects.spec import MeshFault

MIN_THICKNESS = 0.004
"""Objects thinner than this (m) slip under the fingers and through the solver: refused."""

MILLIMETRES = 2.0
"""No object of a table is longer (m): where `EgadSizes` meets one, it is in millimetres."""
SHRINK_LONG, SHRINK_LARGE, GROW_THIN = 0.8, 0.85, 0.95
"""Steps of `EgadSizes`, from Edge Grasp's code."""
ROUNDING = 1 + 1e-9
"""What was scaled obeys the limits to within so much, and keeps its size."""


class SizeRule(Protocol):
    """How large an object may be to be grasped in a kind of scene.

    A rule is a frozen dataclass of plain numbers: objects are found in the cache by its `repr`.

    Attributes:
        upright: whether objects stand on their foot, z up. Sets then choose a pose to stand in, and
            leave out what cannot stand.
        least_height: of an upright object in metres; 0 where none is asked for.
    """

    upright: bool
    least_height: float

    def scale(self, extents: np.ndarray) -> float:
        """Factor for an object of the given sides (x, y, z) in metres.

        An object that has been scaled by it is left as it is: the factor is then 1.
        """


@dataclass(frozen=True)
class LyingSizes:
    """Objects that come to rest any side up. Metres.

    Attributes:
        second: largest second-longest side: such an object fits the hand in some direction.
        longest: largest longest side.
        least_longest: smaller objects grow to this longest side, as far as `second` allows.
    """

    second: float
    longest: float
    least_longest: float
    upright = False
    least_height = 0.0

    def scale(self, extents: np.ndarray) -> float:
        """Factor for an object of the given sides (x, y, z): see `SizeRule`."""
        _, second, longest = np.sort(extents)
        scale = min(1.0, self.second / second, self.longest / longest)
        if longest * scale < self.least_longest:
            scale = min(self.least_longest / longest, self.second / second)
        return float(scale)


@dataclass(frozen=True)
class StandingSizes:
    """Objects that stand upright. Metres.

    Attributes:
        narrow: largest smaller horizontal side: what the hand closes around.
        wide: largest longer horizontal side.
        heights: least and largest height. A flat object may grow to the least height, as far as its
            sides allow.
    """

    narrow: float
    wide: float
    heights: tuple[float, float]
    upright = True

    @property
    def least_height(self) -> float:
        """Of an object, metres."""
        return self.heights[0]

    def scale(self, extents: np.ndarray) -> float:
        """Factor for an object of the given sides (x, y, z): see `SizeRule`."""
        narrow, wide = np.sort(extents[:2])
        largest = min(self.narrow / narrow, self.wide / wide, self.heights[1] / extents[2])
        return float(min(max(1.0, self.heights[0] / extents[2]), largest))


@dataclass(frozen=True)
class EgadSizes:
    """Sizes of adversarial objects, by the loops with which Edge Grasp (Huang et al. 2023) loads
    the EGAD set (Morrison et al. 2020). Metres, before the scales of scenes.

    A mesh shrinks by `SHRINK_LONG` while its second-longest side is over `second`, and by
    `SHRINK_LARGE` while its bounding box holds more than `volume`; then it grows by 1 / `GROW_THIN`
    while its smallest side is under `thin`, as long as the first two still hold. What is longer
    than `MILLIMETRES` is in millimetres, as EGAD's meshes are.

    Attributes:
        second: largest second-longest side.
        volume: largest volume of the bounding box, cubic metres.
        thin: least smallest side.
    """

    second: float = 0.15
    volume: float = 6e-4
    thin: float = 0.014
    upright = False
    least_height = 0.0

    def scale(self, extents: np.ndarray) -> float:
        """Factor for an object of the given sides (x, y, z): see `SizeRule`."""
        sides = np.sort(np.asarray(extents, dtype=np.float64))
        scale = 0.001 if sides[2] > MILLIMETRES else 1.0
        while sides[1] * scale > self.second * ROUNDING:
            scale *= SHRINK_LONG
        while not self._small(sides * scale):
            scale *= SHRINK_LARGE
        while sides[0] * scale * ROUNDING < self.thin and self._small(sides * scale / GROW_THIN):
            scale /= GROW_THIN
        return float(scale)

    def _small(self, sides: np.ndarray) -> bool:
        return bool(sides.prod() <= self.volume * ROUNDING and sides[1] <= self.second * ROUNDING)


PYBULLET_SETS = ("pybullet_misc", "random_urdfs")
"""Object sets that are made of what comes with PyBullet alone."""


@dataclass(frozen=True)
class ObjectRule:
    """The objects of a kind of scene. Its `repr` is part of their keys in the cache.

    Attributes:
        folder: where the published layout {packed,pile}/{train,test} has such objects; also what
            names them in the cache and in messages.
        seed_number: enters the seed of procedural objects. Fixed for ever, and no other kind's: so
            the objects of a kind stay when another is added.
        sizes: how large they are, and whether they stand.
        families: relative frequency of the procedural families, by the names of functions in
            `sim.objects.household`.
        sets: what "default" stands for: names of object sets, separated by commas.
        test_only: whether all objects of a user's folder without train and test folders are for
            testing; else the hash of their names divides them.

    Raises:
        ValueError: for a negative seed number, no families or a share that is not positive.
    """

    folder: str
    seed_number: int
    sizes: SizeRule
    families: Mapping[str, float] = field(hash=False)
    sets: str = "procedural,pybullet_misc,random_urdfs"
    test_only: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        if self.seed_number < 0:
            raise ValueError(f"seed_number is {self.seed_number}; give a number from 0 up")
        if not self.families or min(self.families.values()) <= 0.0:
            raise ValueError(f"families are {dict(self.families)}; give some a positive share")

    @property
    def upright(self) -> bool:
        """Whether objects stand on their foot, z up."""
        return self.sizes.upright

    def scale(self, extents: np.ndarray) -> float:
        """Factor that makes an object of the given sides (x, y, z) in metres graspable.

        Objects that are graspable already keep their size. Scenes may shrink them further.

        Raises:
            MeshFault: if no size serves, because the object is too flat or too long and thin.
        """
        scale = self.sizes.scale(extents)
        thickness = float(min(extents)) * scale
        if thickness < MIN_THICKNESS:
            raise MeshFault(
                f"is too thin: {1000 * thickness:.1f} mm when scaled to the gripper"
                f" (at least {1000 * MIN_THICKNESS:.0f} mm needed)"
            )
        return scale

    def require_height(self, height: float) -> None:
        """Raise MeshFault for an object that is too low (metres, after scaling)."""
        least = self.sizes.least_height
        if height < least - 1e-6:
            raise MeshFault(f"is too low to stand: {height:.3f} m (at least {least} m needed)")
