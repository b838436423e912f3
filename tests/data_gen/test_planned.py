"""Grasps that a model plans are labelled like the others, and repeat themselves."""

import dataclasses

import numpy as np
import pytest

from data_gen.generate import generate_scene
from data_gen.planned import ProposerError, planned_grasps, weights_digest
from data_gen.settings import DataDesign, SceneSettings
from equigrasp.data.record_faults import record_faults
from equigrasp.data.vocabulary import Source
from equigrasp.hand import PANDA
from equigrasp.perception.camera import fixed_view
from sim.objects.load import load_objects
from sim.scene.builders import build_scene
from sim.scene.kinds import find_kind
from sim.scene.renderer import scene_geometry
from sim.scene.world import World

MODEL = "equigiga_packed"
SETTINGS = SceneSettings(
    grasps_per_scene=16,
    objects="procedural:40",
    num_objects=3,
    occupancy_points=100,
    margin_pairs=0,
    planned=0.5,
    proposer=MODEL,
    proposer_digest=weights_digest(MODEL),
)


@pytest.fixture(scope="module")
def geometry():
    kind = find_kind("packed")
    objects = load_objects("procedural:40", kind.objects, "train")
    with World() as world:
        scene = build_scene(kind, objects, np.random.default_rng(2), 3, world)
        return scene_geometry(scene, objects, world.workspace)


def plan(geometry, count=10, seed=0, **changes):
    asked = {"model": MODEL, "digest": weights_digest(MODEL), "hand": PANDA} | changes
    return planned_grasps(
        geometry=geometry,
        poses=[fixed_view()],
        count=count,
        rng=np.random.default_rng(seed),
        **asked,
    )


def test_half_of_the_grasps_are_planned_and_all_are_labelled():
    design = DataDesign(find_kind("packed"), 3, SETTINGS)
    record = generate_scene(design, 0)
    assert 0 < (record.grasp_source == Source.MODEL).sum() <= 8
    assert len(record.grasp_source) == 16
    assert record_faults(record) == []
    again = generate_scene(design, 0)
    np.testing.assert_array_equal(again.grasp_position, record.grasp_position)
    without = dataclasses.replace(SETTINGS, planned=0.0, proposer="", proposer_digest="")
    plain = generate_scene(dataclasses.replace(design, settings=without), 0)
    np.testing.assert_array_equal(plain.depth, record.depth)
    assert (plain.grasp_source != Source.MODEL).all()


def test_plans_are_proper_grasps_and_depend_on_the_generator_alone(geometry):
    first, again, other = plan(geometry), plan(geometry), plan(geometry, seed=1)
    assert 0 < len(first) <= 10
    np.testing.assert_array_equal(first.position, again.position)
    np.testing.assert_array_equal(first.rotation, again.rotation)
    assert not np.array_equal(first.position, other.position)
    np.testing.assert_allclose(np.linalg.det(first.rotation), 1.0, atol=1e-5)


def test_other_weights_and_other_hands_are_refused(geometry):
    with pytest.raises(ProposerError, match=MODEL):
        plan(geometry, digest="0" * 16)
    with pytest.raises(ValueError, match="wide"):
        plan(geometry, hand=dataclasses.replace(PANDA, name="wide", opening=0.1))


@pytest.mark.parametrize(
    "changes", [{"planned": 0.0}, {"proposer": ""}, {"planned": 1.5}, {"planned": -0.1}]
)
def test_a_share_and_a_model_belong_together(changes):
    with pytest.raises(ValueError, match="planned"):
        dataclasses.replace(SETTINGS, **changes)
