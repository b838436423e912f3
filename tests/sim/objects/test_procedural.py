"""Every procedural object is a watertight solid that its convex parts fill."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.objects import meshes, solids
from sim.objects.procedural import generate
from sim.objects.rule import MIN_THICKNESS
from sim.scene.kinds import scene_kinds

RULES = {name: kind.objects for name, kind in scene_kinds().items()}
ANY_RULE = st.sampled_from(list(RULES.values()))


@settings(max_examples=60)
@given(st.integers(0, 10**6), ANY_RULE)
def test_objects_are_one_watertight_graspable_solid(index, rule):
    made = generate(index, rule)
    assert made.solid.is_watertight
    assert made.solid.volume > 0.0
    assert len(meshes.to_manifold(made.solid).decompose()) == 1
    np.testing.assert_allclose(made.solid.bounds.sum(axis=0), 0.0, atol=1e-9)
    assert min(made.solid.extents) >= MIN_THICKNESS
    assert rule.scale(made.solid.extents) == pytest.approx(1.0)
    assert made.solid.extents[2] >= rule.sizes.least_height - 1e-6


@settings(max_examples=60)
@given(st.integers(0, 10**6), ANY_RULE)
def test_convex_parts_fill_the_solid(index, rule):
    made = generate(index, rule)
    for part in made.parts:
        hull = meshes.hull(part.vertices)
        assert part.volume >= 0.999 * hull.volume
    filled = meshes.union(made.parts)
    # Straight pieces of curved walls add a little; nothing may be missing.
    assert 0.99 * made.solid.volume <= filled.volume <= 1.2 * made.solid.volume
    missing = meshes.to_manifold(made.solid) - meshes.to_manifold(filled)
    assert missing.volume() <= 0.01 * made.solid.volume
    np.testing.assert_allclose(filled.bounds, made.solid.bounds, atol=1e-4)


@given(st.integers(0, 10**6), ANY_RULE)
def test_same_index_same_object(index, rule):
    first, again = generate(index, rule), generate(index, rule)
    assert first.family == again.family
    np.testing.assert_array_equal(first.solid.vertices, again.solid.vertices)
    np.testing.assert_array_equal(first.solid.faces, again.solid.faces)
    assert len(first.parts) == len(again.parts)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_every_family_occurs(rule):
    assert {generate(index, rule).family for index in range(250)} == set(rule.families)


def test_bad_requests_are_refused():
    with pytest.raises(ValueError, match="'teapot'; choose among bottle"):
        generate(0, replace(RULES["pile"], families={"teapot": 1}))
    with pytest.raises(ValueError, match="-1"):
        generate(-1, RULES["pile"])


@pytest.mark.parametrize(
    ("kind", "family", "volume"),
    [("packed", "vase", 6.9846048059264e-05), ("pile", "pebble", 2.6210831955112327e-05)],
)
def test_objects_never_change(kind, family, volume):
    """Weights and tables refer to these objects: a change invalidates them all."""
    made = generate(7, RULES[kind])
    assert made.family == family
    assert made.solid.volume == pytest.approx(volume, rel=1e-9)


@given(st.floats(0.02, 0.04), st.floats(0.003, 0.008), st.floats(0.05, 0.1))
def test_a_vessel_has_a_real_cavity(radius, wall, height):
    outer = np.array([radius, radius])
    cup = solids.vessel(outer, outer - wall, np.array([0.0, height]), floor=0.01)
    ring = np.pi * (radius**2 - (radius - wall) ** 2) * (height - 0.01)
    expected = ring + np.pi * radius**2 * 0.01
    assert cup.surface.volume() == pytest.approx(expected, rel=0.02)
    inside = solids.prism(12, 0.5 * (radius - wall), 0.5 * height).move(z=0.7 * height).surface
    assert (cup.surface ^ inside).volume() == 0.0
    assert sum((part ^ inside).volume() for part in cup.parts) == 0.0


def test_a_pipe_is_open_at_both_ends():
    outer = np.array([0.03, 0.03])
    pipe = solids.vessel(outer, 0.6 * outer, np.array([0.0, 0.1]), floor=0.0)
    assert pipe.surface.genus() == 1


def test_a_lathe_solid_with_a_waist_is_cut_into_convex_slices():
    z = np.array([0.0, 0.02, 0.05, 0.08, 0.1])
    spool = solids.lathe(np.array([0.03, 0.03, 0.01, 0.03, 0.03]), z)
    assert len(spool.parts) >= 2
    assert sum(p.volume() for p in spool.parts) == pytest.approx(spool.surface.volume(), rel=0.02)


@given(st.floats(0.2, 2.0), st.floats(0.2, 2.0))
def test_superquadrics_have_the_sides_asked_for(e1, e2):
    pebble = solids.superquadric(np.array([0.04, 0.06, 0.1]), e1, e2)
    low, high = np.split(np.array(pebble.surface.bounding_box()), 2)
    np.testing.assert_allclose(high - low, [0.04, 0.06, 0.1], rtol=1e-6)
