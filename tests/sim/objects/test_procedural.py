"""Every procedural object is a watertight solid that its convex parts fill."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.objects import meshes, solids
from sim.objects.meshes import MIN_THICKNESS, PACKED_HEIGHTS, PACKED_SIDE, PILE_SIDE
from sim.objects.procedural import SHARES, generate

KINDS = st.sampled_from(sorted(SHARES))


@settings(max_examples=60)
@given(st.integers(0, 10**6), KINDS)
def test_objects_are_one_watertight_graspable_solid(index, kind):
    shape = generate(index, kind)
    assert shape.solid.is_watertight
    assert shape.solid.volume > 0.0
    assert len(meshes.to_manifold(shape.solid).decompose()) == 1
    np.testing.assert_allclose(shape.solid.bounds.sum(axis=0), 0.0, atol=1e-9)
    x, y, z = shape.solid.extents
    assert min(x, y, z) >= MIN_THICKNESS
    if kind == "pile":
        assert np.sort([x, y, z])[1] <= PILE_SIDE + 1e-9
    else:
        assert min(x, y) <= PACKED_SIDE + 1e-9
        assert PACKED_HEIGHTS[0] - 1e-6 <= z <= PACKED_HEIGHTS[1] + 1e-9


@settings(max_examples=60)
@given(st.integers(0, 10**6), KINDS)
def test_convex_parts_fill_the_solid(index, kind):
    shape = generate(index, kind)
    for part in shape.parts:
        hull = meshes.hull(part.vertices)
        assert part.volume >= 0.999 * hull.volume
    filled = meshes.union(shape.parts)
    # Straight pieces of curved walls add a little; nothing may be missing.
    assert 0.99 * shape.solid.volume <= filled.volume <= 1.2 * shape.solid.volume
    missing = meshes.to_manifold(shape.solid) - meshes.to_manifold(filled)
    assert missing.volume() <= 0.01 * shape.solid.volume
    np.testing.assert_allclose(filled.bounds, shape.solid.bounds, atol=1e-4)


@given(st.integers(0, 10**6), KINDS)
def test_same_index_same_object(index, kind):
    first, again = generate(index, kind), generate(index, kind)
    assert first.family == again.family
    np.testing.assert_array_equal(first.solid.vertices, again.solid.vertices)
    np.testing.assert_array_equal(first.solid.faces, again.solid.faces)
    assert len(first.parts) == len(again.parts)


@pytest.mark.parametrize("kind", sorted(SHARES))
def test_every_family_occurs(kind):
    seen = {generate(index, kind).family for index in range(250)}
    assert seen == {family.__name__.strip("_") for family in SHARES[kind]}


def test_bad_requests_are_refused():
    with pytest.raises(ValueError, match="'heap'"):
        generate(0, "heap")
    with pytest.raises(ValueError, match="-1"):
        generate(-1, "pile")


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
