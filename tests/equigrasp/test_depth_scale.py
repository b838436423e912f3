"""Depth in whole numbers, where their unit is told."""

import numpy as np
import pytest

from equigrasp.anywhere import plan_anywhere
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
from equigrasp.perception.units import to_metres
from equigrasp.planner import GraspPlanner
from equigrasp.self_test import fixed_depth

VIEW = DEFAULT_INTRINSICS, fixed_view()
STEPS = np.round(fixed_depth() / 0.00025).astype(np.uint16)
METRES = (STEPS * 0.00025).astype(np.float32)


def planner(**options):
    return GraspPlanner.from_pretrained("equigiga_pile", **options)


@pytest.fixture(scope="module")
def told():
    return planner(depth_scale=0.00025)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.int64])
def test_whole_numbers_plan_as_their_metres_do(told, kind):
    expected = planner().plan(METRES, *VIEW)
    found = told.plan(STEPS.astype(kind), *VIEW)
    assert len(expected) > 0
    np.testing.assert_array_equal(found.poses, expected.poses)
    np.testing.assert_array_equal(told.plan(METRES, *VIEW).poses, expected.poses)


def test_several_images_masks_and_other_ways_to_plan(told):
    known, several = planner(), (DEFAULT_INTRINSICS, np.stack([fixed_view()] * 2))
    stack = np.stack([STEPS, STEPS])
    poses = told.plan(stack, *several).poses
    np.testing.assert_array_equal(poses, known.plan(np.stack([METRES, METRES]), *several).poses)
    mask = (0, 0, 320, 480)
    assert len(told.plan(STEPS, *VIEW, mask=mask)) == len(known.plan(METRES, *VIEW, mask=mask))
    shape, expected = (p.reconstruct(d, *VIEW) for p, d in ((told, STEPS), (known, METRES)))
    np.testing.assert_array_equal(shape.vertices, expected.vertices)
    first = plan_anywhere(told, STEPS, VIEW[0])
    np.testing.assert_array_equal(first.poses, plan_anywhere(known, METRES, VIEW[0]).poses)


def test_without_the_unit_whole_numbers_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"depth has dtype uint16; .*depth_scale=0.001"):
        planner().plan(STEPS, *VIEW)


@pytest.mark.parametrize("scale", [0.0, -0.001, 1000.0, float("nan"), "mm"])
def test_a_unit_that_no_camera_has_is_refused(scale):
    with pytest.raises(ValueError, match="depth_scale is"):
        planner(depth_scale=scale)


def test_what_is_too_far_for_16_bits_and_what_is_masked_is_no_reading():
    image = np.ma.array(np.array([[65535, 1000]], np.uint16), mask=[[False, True]])
    found = to_metres(image, 0.001)
    assert (found.data[0, 0], found.mask.tolist()) == (0.0, [[False, True]])
    assert to_metres(np.array([[True]]), 0.001).dtype == bool
