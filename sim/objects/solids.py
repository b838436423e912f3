"""Solids that know their convex parts: what the procedural objects are built from.

A `Solid` pairs an exact surface (a manifold3d solid) with convex parts that fill it, so that the
physics needs no decomposition. Lengths are metres, z is up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from manifold3d import CrossSection, Manifold, OpType

SECTIONS = 36
"""Sides of a turned surface."""
MERIDIANS = 24
"""Of a superquadric, twice its steps in latitude."""
FINE = 12
"""Sides of the balls that make edges round."""
WEDGES, WEDGES_OF_CURVED, MANY_SLICES = 18, 12, 3
"""Convex wedges around a hollow turned part, and around one cut into more than three slices."""
FLATNESS = 0.03
"""Largest reach of a convex slice beyond a full turned profile, as a share of the radius."""
WALL_FLATNESS = 0.15
"""The same for the slices of a hollow one, as a share of the wall's thickness."""


@dataclass(frozen=True, eq=False)
class Solid:
    """A surface and convex parts that fill it."""

    surface: Manifold
    parts: tuple[Manifold, ...]

    def __add__(self, other: Solid) -> Solid:
        return Solid(self.surface + other.surface, self.parts + other.parts)

    def map(self, change: Callable[[Manifold], Manifold]) -> Solid:
        """Apply an affine change to the surface and every part."""
        return Solid(change(self.surface), tuple(change(part) for part in self.parts))

    def move(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Solid:
        """Translate."""
        return self.map(lambda m: m.translate([x, y, z]))

    def turn(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Solid:
        """Rotate about x, then y, then z, in degrees."""
        return self.map(lambda m: m.rotate([x, y, z]))

    def stretch(self, x: float = 1.0, y: float = 1.0, z: float = 1.0) -> Solid:
        """Scale along the axes."""
        return self.map(lambda m: m.scale([x, y, z]))


def convex(surface: Manifold) -> Solid:
    """A convex solid: its own only part."""
    return Solid(surface, (surface.hull(),))


def hull_of(points: np.ndarray) -> Solid:
    """Convex hull of (n, 3) points."""
    return convex(Manifold.hull_points(np.asarray(points, dtype=np.float64)))


def join(solids: Sequence[Solid]) -> Solid:
    """Boolean union; the parts are kept side by side and may overlap."""
    surface = Manifold.batch_boolean([s.surface for s in solids], OpType.Add)
    return Solid(surface, tuple(part for s in solids for part in s.parts))


def box(x: float, y: float, z: float) -> Solid:
    """Box of the given sides, centred."""
    return convex(Manifold.cube([x, y, z], True))


def rounded_box(x: float, y: float, z: float, radius: float) -> Solid:
    """Box with round edges, centred; `radius` must be below half of the smallest side."""
    ball = Manifold.sphere(radius, FINE).to_mesh().vert_properties[:, :3].astype(np.float64)
    half = np.array([x, y, z]) / 2 - radius
    corners = np.stack(np.meshgrid(*[(-1, 1)] * 3), axis=-1).reshape(-1, 3) * half
    return hull_of((corners[:, None] + ball).reshape(-1, 3))


def prism(sides: int, radius: float, height: float, top: float = 1.0) -> Solid:
    """Upright prism over a regular polygon, centred; `top` scales the upper face (a frustum)."""
    angle = 2 * np.pi * np.arange(sides) / sides
    ring = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    low = np.column_stack([ring, np.full(sides, -height / 2)])
    high = np.column_stack([ring * top, np.full(sides, height / 2)])
    return hull_of(np.concatenate([low, high]))


def superquadric(sides: np.ndarray, e1: float, e2: float) -> Solid:
    """Superellipsoid with the given (3,) sides, centred, convex for exponents in (0, 2].

    Exponents 1, 1 give an ellipsoid; near 0 a box; (near 0, 1) a cylinder; 2 an octahedron.
    """
    latitude = np.linspace(-np.pi / 2, np.pi / 2, MERIDIANS // 2 + 1)
    longitude = np.linspace(-np.pi, np.pi, MERIDIANS, endpoint=False)
    ring = _signed_power(np.cos(latitude), e1)[:, None]
    x = ring * _signed_power(np.cos(longitude), e2)
    y = ring * _signed_power(np.sin(longitude), e2)
    z = np.broadcast_to(_signed_power(np.sin(latitude), e1)[:, None], x.shape)
    return hull_of(np.stack([x, y, z], axis=-1).reshape(-1, 3) * np.asarray(sides) / 2)


def _signed_power(x: np.ndarray, exponent: float) -> np.ndarray:
    return np.sign(x) * np.abs(x) ** exponent


def lathe(radius: np.ndarray, z: np.ndarray) -> Solid:
    """Full solid of revolution: radius (n,) > 0 at increasing heights z (n,).

    Its parts are slices over which the profile is convex.
    """
    outline = [[0.0, z[0]], *np.column_stack([radius, z]), [0.0, z[-1]]]
    surface = CrossSection([np.array(outline)]).revolve(SECTIONS)
    slices = _greedy(
        lambda i, j: _concavity(radius[i : j + 1], z[i : j + 1]),
        len(z) - 1,
        FLATNESS * float(radius.max()),
    )
    parts = [Manifold.hull_points(_rings(radius[i : j + 1], z[i : j + 1])) for i, j in slices]
    return Solid(surface, tuple(parts))


def vessel(outer: np.ndarray, inner: np.ndarray, z: np.ndarray, floor: float) -> Solid:
    """Solid of revolution with a real cavity, open at the top.

    Args:
        outer: (n,) outer radii at the heights z.
        inner: (n,) inner radii, smaller than the outer ones; below `floor` they do not count. Zero
            `floor` leaves the bottom open: a tube.
        z: (n,) increasing heights from 0.
    """
    wall = np.unique(np.concatenate([[floor], z[z > floor]]))
    outer_wall, inner_wall = np.interp(wall, z, outer), np.interp(wall, z, inner)
    foot = np.unique(np.concatenate([z[z < floor], [floor]])) if floor > 0.0 else np.zeros(0)
    outer_foot = np.interp(foot, z, outer)
    outside = [*np.column_stack([outer_foot, foot]), *np.column_stack([outer_wall, wall])]
    inside = list(np.column_stack([inner_wall, wall])[::-1])
    axis = [[0.0, floor], [0.0, 0.0]] if floor > 0.0 else []
    surface = CrossSection([np.array([*outside, *inside, *axis])]).revolve(SECTIONS)
    parts = [Manifold.hull_points(_rings(outer_foot, foot))] if floor > 0.0 else []

    def added(i: int, j: int) -> float:
        """How far a wedge over these rings would reach beyond the wall."""
        outside = _concavity(outer_wall[i : j + 1], wall[i : j + 1])
        return max(outside, _concavity(-inner_wall[i : j + 1], wall[i : j + 1]))

    slices = _greedy(added, len(wall) - 1, WALL_FLATNESS * float((outer - inner).max()))
    wedges = WEDGES if len(slices) <= MANY_SLICES else WEDGES_OF_CURVED
    for i, j in slices:
        rings = slice(i, j + 1)
        parts += _wedges(outer_wall[rings], inner_wall[rings], wall[rings], wedges)
    return Solid(surface, tuple(parts))


def tube_along(path: np.ndarray, radii: np.ndarray, steps: int = 12) -> Solid:
    """Round bar along a path (n, 3) with radii (n,): hulls of neighbouring balls, united."""
    balls = [
        Manifold.sphere(float(r), steps).translate([float(c) for c in p])
        for p, r in zip(path, radii, strict=True)
    ]
    return join(
        [convex(Manifold.batch_hull([a, b])) for a, b in zip(balls[:-1], balls[1:], strict=True)]
    )


def _greedy(badness: Callable[[int, int], float], last: int, limit: float) -> list[tuple[int, int]]:
    """Cut 0..last greedily into the longest stretches whose badness stays within the limit."""
    found, start = [], 0
    while start < last:
        end = start + 1
        while end < last and badness(start, end + 1) <= limit:
            end += 1
        found.append((start, end))
        start = end
    return found


def _concavity(radius: np.ndarray, z: np.ndarray) -> float:
    """Largest distance of a profile below its concave envelope: what a hull would add."""
    envelope = radius.copy()
    for i in range(len(z)):
        for j in range(i + 2, len(z)):
            chord = np.interp(z[i : j + 1], z[[i, j]], radius[[i, j]])
            np.maximum(envelope[i : j + 1], chord, out=envelope[i : j + 1])
    return float((envelope - radius).max())


def _rings(radius: np.ndarray, z: np.ndarray) -> np.ndarray:
    angle = 2 * np.pi * np.arange(SECTIONS) / SECTIONS
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.concatenate(
        [np.column_stack([r * ring, np.full(SECTIONS, h)]) for r, h in zip(radius, z, strict=True)]
    )


def _wedges(outer: np.ndarray, inner: np.ndarray, z: np.ndarray, count: int) -> list[Manifold]:
    """Convex wedges of a hollow turned slice: radii and heights of its rings."""
    per_wedge = SECTIONS // count
    angle = 2 * np.pi * np.arange(SECTIONS + 1) / SECTIONS
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    wedges = []
    for k in range(count):
        arc = ring[k * per_wedge : (k + 1) * per_wedge + 1]
        points = [
            np.column_stack([r * arc, np.full(len(arc), h)])
            for radii in (outer, inner)
            for r, h in zip(radii, z, strict=True)
        ]
        wedges.append(Manifold.hull_points(np.concatenate(points)))
    return wedges
