"""Procedural household-like objects, drawn by index: the same index gives the same object.

They fill what convex-piece sets lack: thin walls with real cavities, handles, upright containers.
Every object is watertight and comes with convex parts that need no decomposition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh

from sim.objects import household, meshes
from sim.objects.household import Family
from sim.objects.meshes import MeshFault

VERSION = 3
"""Part of every cached object's key: raise it when a family changes."""
SEED = 20240501
MAX_DRAWS = 16
"""Draws per object before giving up; families are refused for being too thin at times."""
MAX_STRETCH = 1.35
"""Round shapes become oval by up to this factor in a third of the objects."""

SHARES: dict[str, dict[Family, float]] = {
    "packed": {
        household.bottle: 12,
        household.jar: 10,
        household.can: 8,
        household.carton: 14,
        household.packet: 8,
        household.block: 6,
        household.cup: 9,
        household.mug: 7,
        household.bowl: 5,
        household.vase: 5,
        household.pipe: 4,
        household.milk_carton: 4,
        household.bin_: 4,
        household.pebble: 5,
        household.wedge: 4,
        household.spool: 4,
        household.fruit: 3,
    },
    "pile": {
        household.bottle: 8,
        household.jar: 6,
        household.can: 6,
        household.carton: 7,
        household.packet: 5,
        household.block: 10,
        household.cup: 6,
        household.mug: 6,
        household.bowl: 6,
        household.vase: 3,
        household.pipe: 5,
        household.ring: 5,
        household.milk_carton: 2,
        household.bin_: 3,
        household.pebble: 7,
        household.wedge: 4,
        household.spool: 5,
        household.fruit: 5,
        household.hammer: 5,
        household.driver: 5,
        household.bracket: 5,
        household.banana: 4,
        household.elbow: 5,
    },
}
"""Relative frequency of the families in each scene kind."""


@dataclass(frozen=True, eq=False)
class Shape:
    """A procedural object in its object frame: watertight surface, convex parts, family name."""

    solid: trimesh.Trimesh
    parts: list[trimesh.Trimesh]
    family: str


def generate(index: int, kind: str) -> Shape:
    """The object with a number, for a scene kind.

    Raises:
        ValueError: for an unknown kind or a negative index.
    """
    if kind not in SHARES or index < 0:
        raise ValueError(
            f"kind '{kind}' must be one of {sorted(SHARES)} and index {index} not negative"
        )
    rng = np.random.default_rng([SEED, index, sorted(SHARES).index(kind)])
    families = list(SHARES[kind])
    weight = np.array(list(SHARES[kind].values()), dtype=np.float64)
    family = families[int(rng.choice(len(families), p=weight / weight.sum()))]
    fault = MeshFault("was never drawn")
    for _ in range(MAX_DRAWS):
        try:
            return _draw(family, rng, kind)
        except MeshFault as found:
            fault = found
    raise fault


def _draw(family: Family, rng: np.random.Generator, kind: str) -> Shape:
    solid = family(rng)
    size = rng.uniform(0.8, 1.1)
    stretch = rng.uniform(1.0, MAX_STRETCH) if rng.random() < 0.33 else 1.0
    solid = solid.stretch(size, size * stretch, size)
    bodies = [meshes.from_manifold(m) for m in (solid.surface, *solid.parts)]
    surface, parts = meshes.place(bodies, np.eye(4), 1.0, kind)
    if kind == "packed" and surface.extents[2] < meshes.PACKED_HEIGHTS[0] - 1e-6:
        raise MeshFault(f"is too low for packed scenes: {surface.extents[2]:.3f} m")
    return Shape(surface, parts, family.__name__.strip("_"))
