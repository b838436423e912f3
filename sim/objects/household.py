"""Families of household-like shapes, each a function of a random generator.

Sizes are those of things a hand that opens 0.08 m meets on a table; an `ObjectRule` trims what is
too large. Vessels have real cavities, handles are joined by boolean union, z is up.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.interpolate import PchipInterpolator

from sim.objects import solids
from sim.objects.solids import Solid

Family = Callable[[np.random.Generator], Solid]
RINGS = 18
"""Heights at which a curved profile is sampled."""


def bottle(rng: np.random.Generator) -> Solid:
    """Closed bottle: body, shoulder, neck and cap."""
    height, radius = rng.uniform(0.12, 0.22), rng.uniform(0.022, 0.038)
    neck = radius * rng.uniform(0.3, 0.6)
    shoulder, end = rng.uniform(0.5, 0.7), rng.uniform(0.74, 0.85)
    waist = rng.uniform(0.8, 1.0)
    knots = np.array([0.0, 0.04, 0.3, shoulder, end, 0.999]) * height
    r = np.array([0.92, 1.0, waist, 1.0, neck / radius, neck / radius]) * radius
    z = np.linspace(0.0, height, RINGS)
    body = solids.lathe(PchipInterpolator(knots, r)(np.minimum(z, knots[-1])), z)
    cap = solids.prism(24, neck * rng.uniform(1.1, 1.4), rng.uniform(0.012, 0.022))
    return body + cap.move(z=height)


def jar(rng: np.random.Generator) -> Solid:
    """Closed jar or tin: a cylinder with a lid or rims."""
    height, radius = rng.uniform(0.06, 0.14), rng.uniform(0.022, 0.037)
    rim = rng.uniform(0.85, 1.0)
    lid = rng.uniform(0.1, 0.25) * height
    r = np.array([rim, 1.0, 1.0, rim, rim, 1.02 * rim]) * radius
    edge = 0.06 * height
    z = np.array([0.0, edge, height - lid - edge, height - lid, height - lid + 1e-3, height])
    return solids.lathe(r, z)


def can(rng: np.random.Generator) -> Solid:
    """Plain cylinder, upright."""
    radius = rng.uniform(0.012, 0.037)
    height = rng.uniform(0.05, 0.16)
    return solids.lathe(np.array([radius, radius]), np.array([0.0, height]))


def cup(rng: np.random.Generator) -> Solid:
    """Open beaker with straight or flaring walls."""
    height, top = rng.uniform(0.06, 0.13), rng.uniform(0.028, 0.038)
    bottom = top * rng.uniform(0.65, 1.0)
    wall = rng.uniform(0.003, 0.006)
    z = np.array([0.0, height])
    outer = np.array([bottom, top])
    return solids.vessel(outer, outer - wall, z, rng.uniform(0.004, 0.01))


def mug(rng: np.random.Generator) -> Solid:
    """Cup with a handle."""
    height, radius = rng.uniform(0.06, 0.11), rng.uniform(0.026, 0.036)
    wall = rng.uniform(0.003, 0.006)
    outer = np.array([radius * rng.uniform(0.85, 1.0), radius])
    body = solids.vessel(outer, outer - wall, np.array([0.0, height]), rng.uniform(0.004, 0.01))
    reach, thickness = rng.uniform(0.018, 0.03), rng.uniform(0.0035, 0.0055)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 7)
    path = np.column_stack(
        [
            radius - wall / 2 + reach * np.cos(angle),
            np.zeros(7),
            height * 0.5 + height * rng.uniform(0.26, 0.36) * np.sin(angle),
        ]
    )
    handle = solids.tube_along(path, np.full(7, thickness))
    return body + handle


def bowl(rng: np.random.Generator) -> Solid:
    """Open bowl, round or oval."""
    radius = rng.uniform(0.035, 0.055)
    height = radius * rng.uniform(0.8, 1.3)
    wall, power = rng.uniform(0.004, 0.007), rng.uniform(0.35, 0.7)
    t = np.linspace(0.0, 1.0, RINGS // 2)
    outer = radius * (0.45 + 0.55 * t**power)
    solid = solids.vessel(outer, outer - wall, t * height, rng.uniform(0.005, 0.01))
    return solid.stretch(x=rng.uniform(0.6, 1.0))


def vase(rng: np.random.Generator) -> Solid:
    """Open vessel with a curved wall."""
    height, radius = rng.uniform(0.09, 0.17), rng.uniform(0.026, 0.037)
    knots = np.linspace(0.0, height, 5)
    r = radius * rng.uniform(0.6, 1.0, size=5)
    z = np.linspace(0.0, height, RINGS)
    outer = PchipInterpolator(knots, r)(z)
    inner = outer - rng.uniform(0.004, 0.007)
    return solids.vessel(outer, inner, z, rng.uniform(0.006, 0.012))


def pipe(rng: np.random.Generator) -> Solid:
    """Tube, open at both ends."""
    radius, height = rng.uniform(0.015, 0.037), rng.uniform(0.05, 0.15)
    outer = np.full(2, radius)
    inner = outer * rng.uniform(0.5, 0.85)
    return solids.vessel(outer, inner, np.array([0.0, height]), 0.0)


def ring(rng: np.random.Generator) -> Solid:
    """Flat ring, such as a roll of tape."""
    radius = rng.uniform(0.03, 0.05)
    outer = np.full(2, radius)
    inner = outer * rng.uniform(0.4, 0.75)
    return solids.vessel(outer, inner, np.array([0.0, rng.uniform(0.012, 0.035)]), 0.0)


def carton(rng: np.random.Generator) -> Solid:
    """Plain box, upright."""
    x, y, z = rng.uniform(0.02, 0.075), rng.uniform(0.03, 0.12), rng.uniform(0.06, 0.2)
    return solids.box(x, y, z)


def block(rng: np.random.Generator) -> Solid:
    """Compact box, sharp or with round edges."""
    sides = rng.uniform(0.02, 0.08, size=3)
    if rng.random() < 0.5:
        return solids.box(*sides)
    return solids.rounded_box(*sides, radius=float(rng.uniform(0.1, 0.4) * sides.min()))


def packet(rng: np.random.Generator) -> Solid:
    """Tall box with round edges: a detergent box, a deodorant."""
    x, y, z = rng.uniform(0.025, 0.06), rng.uniform(0.04, 0.1), rng.uniform(0.08, 0.19)
    return solids.rounded_box(x, y, z, radius=float(rng.uniform(0.15, 0.45) * x))


def milk_carton(rng: np.random.Generator) -> Solid:
    """Box with a gabled roof."""
    x, y, z = rng.uniform(0.045, 0.075), rng.uniform(0.045, 0.075), rng.uniform(0.09, 0.16)
    ridge, roof = rng.uniform(0.004, 0.008), rng.uniform(0.25, 0.5) * y
    body = solids.box(x, y, z)
    base = [[sx * x / 2, sy * y / 2, z / 2] for sx in (-1, 1) for sy in (-1, 1)]
    crest = [[sx * x / 2, sy * ridge / 2, z / 2 + roof] for sx in (-1, 1) for sy in (-1, 1)]
    fin = solids.box(x, ridge, 0.012).move(z=z / 2 + roof + 0.005)
    return solids.join([body, solids.hull_of(np.array(base + crest)), fin])


def open_box(rng: np.random.Generator) -> Solid:
    """Open rectangular box."""
    x, y, z = rng.uniform(0.04, 0.075), rng.uniform(0.05, 0.12), rng.uniform(0.05, 0.1)
    wall = rng.uniform(0.004, 0.007)
    floor = solids.box(x, y, wall).move(z=wall / 2)
    sides = [solids.box(wall, y, z).move(x=s * (x - wall) / 2, z=z / 2) for s in (-1, 1)] + [
        solids.box(x, wall, z).move(y=s * (y - wall) / 2, z=z / 2) for s in (-1, 1)
    ]
    return solids.join([floor, *sides])


def pebble(rng: np.random.Generator) -> Solid:
    """Superquadric: from an egg to a cushion to a near-box."""
    e1, e2 = rng.uniform(0.25, 1.4), rng.uniform(0.25, 1.4)
    return solids.superquadric(rng.uniform([0.03, 0.03, 0.05], [0.075, 0.1, 0.12]), e1, e2)


def fruit(rng: np.random.Generator) -> Solid:
    """Turned solid with a smooth outline: pear, egg, spinning top."""
    height, radius = rng.uniform(0.05, 0.11), rng.uniform(0.022, 0.036)
    t = np.linspace(0.0, 1.0, RINGS)
    skew = rng.uniform(0.6, 1.6)
    profile = np.sin(np.pi * np.clip(t**skew, 0.0, 1.0)) ** rng.uniform(0.45, 0.8)
    return solids.lathe(radius * np.maximum(profile, 0.15), t * height)


def spool(rng: np.random.Generator) -> Solid:
    """Turned solid with a waist: spool, knob, dumb-bell."""
    height, radius = rng.uniform(0.05, 0.13), rng.uniform(0.02, 0.037)
    flange, waist = rng.uniform(0.12, 0.3) * height, rng.uniform(0.35, 0.75)
    z = np.array([0.0, flange, flange + 2e-3, height - flange - 2e-3, height - flange, height])
    r = radius * np.array([1.0, 1.0, waist, waist, 1.0, 1.0])
    r[3:] *= rng.uniform(0.8, 1.0)
    return solids.lathe(r, z)


def wedge(rng: np.random.Generator) -> Solid:
    """Prism over a triangle to octagon, straight or tapered."""
    sides = int(rng.integers(3, 9))
    solid = solids.prism(
        sides, rng.uniform(0.025, 0.04), rng.uniform(0.05, 0.13), rng.uniform(0.5, 1.0)
    )
    return solid.stretch(y=rng.uniform(0.7, 1.2))


def hammer(rng: np.random.Generator) -> Solid:
    """Handle with a head across its end: hammer, mallet, brush."""
    length, radius = rng.uniform(0.12, 0.19), rng.uniform(0.007, 0.013)
    handle = solids.prism(16, radius, length)
    if rng.random() < 0.5:
        head = solids.prism(20, rng.uniform(0.013, 0.022), rng.uniform(0.05, 0.07)).turn(x=90)
    else:
        head = solids.box(
            rng.uniform(0.02, 0.035), rng.uniform(0.045, 0.07), rng.uniform(0.02, 0.035)
        )
    return handle + head.move(z=length / 2)


def driver(rng: np.random.Generator) -> Solid:
    """Thick grip with a thin shaft: screwdriver, torch, whisk."""
    grip, shaft = rng.uniform(0.06, 0.1), rng.uniform(0.05, 0.1)
    radius = rng.uniform(0.011, 0.02)
    z = np.array([0.0, 0.1 * grip, 0.6 * grip, grip, grip + 0.004, grip + shaft])
    r = radius * np.array([0.8, 1.0, rng.uniform(0.75, 1.0), 0.9, 0.45, 0.4])
    return solids.lathe(np.maximum(r, 0.004), z)


def bracket(rng: np.random.Generator) -> Solid:
    """L, T, U or cross of bars."""
    a, b = rng.uniform(0.05, 0.1), rng.uniform(0.04, 0.07)
    w, t = rng.uniform(0.014, 0.028), rng.uniform(0.014, 0.028)
    long = solids.box(a, w, t)
    shape = int(rng.integers(4))
    at = [(a - w) / 2, 0.0][shape % 2] if shape < 2 else (a - w) / 2
    bar = solids.box(w, b, t)
    if shape == 3:  # cross
        return solids.join([long, bar])
    arm = bar.move(x=at, y=(b - w) / 2)
    if shape == 2:  # U
        return solids.join([long, arm, bar.move(x=-at, y=(b - w) / 2)])
    return solids.join([long, arm])


def banana(rng: np.random.Generator) -> Solid:
    """Bent round bar, thicker in the middle."""
    bend, reach = rng.uniform(0.6, 1.6), rng.uniform(0.05, 0.09)
    angle = np.linspace(-bend / 2, bend / 2, 7)
    curvature = 2 * reach / bend
    path = curvature * np.column_stack([np.sin(angle), np.cos(angle), np.zeros(7)])
    thick = rng.uniform(0.011, 0.02)
    return solids.tube_along(path, thick * np.array([0.4, 0.75, 0.95, 1.0, 0.95, 0.75, 0.4]))


def elbow(rng: np.random.Generator) -> Solid:
    """Bars meeting at a joint: pipe fitting, tap, jack."""
    radius = rng.uniform(0.009, 0.017)
    directions = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, 0, -1]], dtype=float)
    count = int(rng.integers(2, 5))
    arms = []
    for k in rng.choice(len(directions), size=count, replace=False):
        tip = directions[k] * rng.uniform(0.025, 0.06)
        arms.append(solids.tube_along(np.stack([np.zeros(3), tip]), np.full(2, radius), 16))
    return solids.join(arms)


FAMILIES: dict[str, Family] = {
    family.__name__: family
    for family in (
        *(bottle, jar, can, cup, mug, bowl, vase, pipe, ring, carton, block, packet, milk_carton),
        *(open_box, pebble, fruit, spool, wedge, hammer, driver, bracket, banana, elbow),
    )
}


def find_family(name: str) -> Family:
    """The family of a name.

    Raises:
        ValueError: if there is none.
    """
    if name not in FAMILIES:
        raise ValueError(f"no family is called '{name}'; choose among {', '.join(FAMILIES)}")
    return FAMILIES[name]
