"""Procedural household-like objects, drawn by index: the same index gives the same object.

They fill what convex-piece sets lack: thin walls with real cavities, handles, upright containers.
Every object is watertight and comes with convex parts that need no decomposition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh

from sim.objects import meshes
from sim.objects.household import Family, find_family
from sim.objects.rule import ObjectRule
from sim.objects.spec import MeshFault

VERSION = 3
"""Part of every cached object's key: raise it when a family changes."""
SEED = 20240501
MAX_DRAWS = 16
"""Draws per object before giving up; families are refused for being too thin at times."""
MAX_STRETCH = 1.35
"""Round shapes become oval by up to this factor in a third of the objects."""


@dataclass(frozen=True, eq=False)
class ProceduralObject:
    """Watertight surface and convex parts in the object frame, and the name of the family."""

    solid: trimesh.Trimesh
    parts: list[trimesh.Trimesh]
    family: str


def generate(index: int, rule: ObjectRule) -> ProceduralObject:
    """The object with a number, for scenes whose objects follow a rule.

    Raises:
        ValueError: for a negative index or a family that does not exist.
        MeshFault: if no draw of the family gives an object that serves.
    """
    if index < 0:
        raise ValueError(f"index is {index}; procedural objects count from 0")
    rng = np.random.default_rng([SEED, index, rule.seed_number])
    families = [find_family(name) for name in rule.families]
    weight = np.array(list(rule.families.values()), dtype=np.float64)
    family = families[int(rng.choice(len(families), p=weight / weight.sum()))]
    fault = MeshFault("was never drawn")
    for _ in range(MAX_DRAWS):
        try:
            return _sample(family, rng, rule)
        except MeshFault as found:
            fault = found
    raise fault


def _sample(family: Family, rng: np.random.Generator, rule: ObjectRule) -> ProceduralObject:
    solid = family(rng)
    size = rng.uniform(0.8, 1.1)
    stretch = rng.uniform(1.0, MAX_STRETCH) if rng.random() < 0.33 else 1.0
    solid = solid.stretch(size, size * stretch, size)
    bodies = [meshes.from_manifold(m) for m in (solid.surface, *solid.parts)]
    surface, parts = meshes.place(bodies, np.eye(4), 1.0, rule)
    rule.require_height(surface.extents[2])
    return ProceduralObject(surface, parts, family.__name__)
