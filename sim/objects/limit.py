"""Objects at the limit of a hand, drawn by index: as wide as it opens, and heavy.

Square and round prisms, boxes and bottles, 60 to 85 mm across at the scales of scenes and 0.3 to
2 kg; bowls that only their rims let be grasped. Some are a few millimetres too wide for the
published hand, which opens 80 mm: there the right answer is another direction, or none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import trimesh

from sim.objects import meshes, solids
from sim.objects.rule import ObjectRule
from sim.objects.solids import Solid

VERSION = 1
"""Part of every cached object's key: raise it when a shape changes."""
SEED = 20261127
ACROSS = (0.060, 0.085)
"""Width of what the hand closes around at the scales of scenes, metres."""
MASSES = (0.3, 2.0)
"""In kg; the logarithm is drawn uniformly."""
SCENE_SCALE = {True: 0.8, False: 0.9}
"""Middle of the scales of scenes whose objects stand upright (packed), and of others (piles)."""
HEIGHTS = {True: (0.07, 0.16), False: (0.03, 0.11)}
"""Of the objects at the scales of scenes, metres."""
LONGEST = 0.13
"""Longest side of boxes at the scales of scenes, metres."""


@dataclass(frozen=True, eq=False)
class LimitObject:
    """Watertight surface and convex parts in the object frame, mass in kg, name of the shape."""

    solid: trimesh.Trimesh
    parts: list[trimesh.Trimesh]
    mass: float
    shape: str


Shape = Callable[[np.random.Generator, float, float], Solid]
"""(generator, width across, height) -> solid; metres."""


def _flat_sided(sides: int, across: float, height: float, top: float = 1.0) -> Solid:
    """Prism on a regular polygon, `across` (m) wide between two opposite faces, which face x."""
    solid = solids.prism(sides, across / 2 / np.cos(np.pi / sides), height, top)
    return solid.turn(z=180.0 / sides)


def square_prism(rng: np.random.Generator, across: float, height: float) -> Solid:
    """Upright block on a square, its edges more or less round."""
    return solids.rounded_box(across, across, height, rng.uniform(0.001, 0.006))


def round_prism(rng: np.random.Generator, across: float, height: float) -> Solid:
    """Cylinder, or a prism with six or eight sides."""
    sides = int(rng.choice([6, 8, 36, 36, 36]))
    return _flat_sided(sides, across, height)


def box(rng: np.random.Generator, across: float, height: float) -> Solid:
    """Box that only its shorter side lets be grasped."""
    longer = rng.uniform(across, LONGEST)
    return solids.rounded_box(across, longer, height, rng.uniform(0.001, 0.004))


def tapered(rng: np.random.Generator, across: float, height: float) -> Solid:
    """Beaker or jar, full, narrower at one end."""
    sides = int(rng.choice([4, 24, 24]))
    solid = _flat_sided(sides, across, height, rng.uniform(0.8, 0.97))
    return solid if rng.random() < 0.6 else solid.turn(x=180.0)


def bottle(rng: np.random.Generator, across: float, height: float) -> Solid:
    """Wide bottle or jug with shoulder and neck."""
    radius, tall = across / 2, 1.3 * height
    neck = radius * rng.uniform(0.35, 0.7)
    shoulder, end = rng.uniform(0.5, 0.65), rng.uniform(0.7, 0.8)
    return solids.lathe(
        np.array([0.95, 1.0, 1.0, neck / radius, neck / radius]) * radius,
        np.array([0.0, 0.04, shoulder, end, 1.0]) * tall,
    )


def bowl(rng: np.random.Generator, across: float, height: float) -> Solid:
    """Bowl wider than the hand, with a rim to be grasped by."""
    radius = rng.uniform(0.8, 1.0) * across
    wall = rng.uniform(0.005, 0.009)
    t = np.linspace(0.0, 1.0, 7)
    outer = radius * (0.5 + 0.5 * t ** rng.uniform(0.4, 0.7))
    depth = rng.uniform(0.6, 0.9) * radius
    return solids.vessel(outer, outer - wall, t * depth, rng.uniform(0.006, 0.01))


SHAPES: dict[str, tuple[Shape, float]] = {
    "square_prism": (square_prism, 5.0),
    "round_prism": (round_prism, 4.0),
    "box": (box, 4.0),
    "tapered": (tapered, 2.0),
    "bottle": (bottle, 2.0),
    "bowl": (bowl, 1.0),
}
"""Shapes and their relative frequency."""


def generate(index: int, rule: ObjectRule) -> LimitObject:
    """The object with a number, for scenes whose objects follow a rule.

    Its size does not follow the rule, which would trim it: being wide is what it is for.

    Raises:
        ValueError: for a negative index.
    """
    if index < 0:
        raise ValueError(f"index is {index}; objects count from 0")
    rng = np.random.default_rng([SEED, index, rule.seed_number])
    weight = np.array([share for _, share in SHAPES.values()])
    name = list(SHAPES)[int(rng.choice(len(SHAPES), p=weight / weight.sum()))]
    across, height = rng.uniform(*ACROSS), rng.uniform(*HEIGHTS[rule.upright])
    solid = SHAPES[name][0](rng, across, height)
    mass = float(np.exp(rng.uniform(*np.log(MASSES))))
    surface, *parts = (meshes.from_manifold(m) for m in (solid.surface, *solid.parts))
    shift = meshes.recentre(surface)
    for mesh in (surface, *parts):
        mesh.apply_translation(shift)
        mesh.apply_scale(1.0 / SCENE_SCALE[rule.upright])
    return LimitObject(surface, parts, mass, name)
