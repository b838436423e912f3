"""Masses and frictions that are drawn: their ranges, and the scene that carries them."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.objects.load import load_objects
from sim.objects.spec import ObjectSpec
from sim.scene.builders import Scene, build_scene, load_scene
from sim.scene.kinds import find_kind
from sim.scene.physics import AS_FOUND, OWN, Physics
from sim.scene.world import World

SPEC = ObjectSpec("a", None, None, (0.1, 0.1, 0.1), 0.3, 0.9, "procedural")


@given(st.floats(0.1, 2.0), st.floats(1.0, 5.0), st.integers(0, 1000))
def test_draws_stay_in_their_ranges(low, ratio, seed):
    wide = (low, low * ratio)
    rng = np.random.default_rng(seed)
    mass, friction = Physics(mass_factor=wide, friction=wide).draw(SPEC, rng)
    assert 0.3 * low * (1 - 1e-9) <= mass <= 0.3 * low * ratio * (1 + 1e-9)
    assert low <= friction <= low * ratio
    assert Physics(mass=(low, low)).draw(SPEC, rng) == (pytest.approx(low), 0.9)


def test_published_objects_stay_as_they_were_published():
    published = dataclasses.replace(SPEC, source="published")
    rng = np.random.default_rng(0)
    assert AS_FOUND.draw(published, rng) == (0.3, 0.9)
    assert AS_FOUND.draw(SPEC, rng) != (0.3, 0.9)
    assert OWN.drawer(rng) is None


@pytest.mark.parametrize(
    "values",
    [
        {"mass_factor": (2.0, 1.0)},
        {"mass": (0.0, 1.0)},
        {"friction": (0.5,)},
        {"friction": (0.5, np.inf)},
        {"mass": (np.nan, 1.0)},
        {"keep": "published"},
    ],
)
def test_what_is_no_range_is_refused_by_name(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        Physics.of(values)


def test_a_scene_carries_its_physics_through_text_into_another_world():
    kind = find_kind("packed")
    objects = load_objects("procedural:40", kind.objects, "train")
    drawer = Physics(mass_factor=(2.0, 3.0), friction=(0.4, 0.6)).drawer(np.random.default_rng(1))
    with World() as world:
        rng = np.random.default_rng(3)
        scene = build_scene(kind, objects, rng, 3, world, draw_physics=drawer)
        assert world.draw_physics is None
        built = [(world.mass(body), world.friction(body)) for body in world.bodies]
    own = {spec.object_id: spec.mass for spec in objects}
    for body, (mass, friction) in zip(scene.bodies, built, strict=True):
        assert 2.0 <= mass / own[body.object_id] <= 3.0
        assert 0.4 <= friction <= 0.6
    with World() as world:
        loaded = load_scene(world, Scene.from_json(scene.to_json()), objects)
        assert [(world.mass(body), world.friction(body)) for body in loaded] == built


def test_inertia_follows_the_mass():
    objects = load_objects("procedural:10", find_kind("pile").objects, "train")
    with World() as world:
        body = world.load_object(objects[0], np.eye(4))
        before = np.array(world.p.getDynamicsInfo(body, -1)[2])
        world.set_mass(body, 3.0 * world.mass(body))
        np.testing.assert_allclose(world.p.getDynamicsInfo(body, -1)[2], 3.0 * before, rtol=1e-9)
