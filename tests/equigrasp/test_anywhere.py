"""Grasps without a camera pose, and on tables larger than a cube."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.anywhere import FEWEST, cube_places, plan_anywhere
from equigrasp.data.synthetic import Primitive, render_primitives
from equigrasp.geometry.transforms import inverse_transform, make_transform
from equigrasp.perception.camera import Intrinsics, fixed_view, look_at, view_on_sphere
from equigrasp.planner import GraspPlanner
from equigrasp.wanted import Wanted

WIDE = Intrinsics(640, 480, 440.0, 440.0, 320.0, 240.0)
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def planner():
    return GraspPlanner.from_pretrained("equigiga_pile")


def on_things(grasps, shapes, T_world_given=None):
    """How far tips are from the middle of the nearest thing, metres; and which things that are."""
    T = np.eye(4) if T_world_given is None else T_world_given
    tips = np.array([T[:3, :3] @ grasp.position + T[:3, 3] for grasp in grasps])
    away = np.linalg.norm(tips[:, None] - [shape.centre for shape in shapes], axis=-1)
    return away.min(1), set(away.argmin(1))


@pytest.mark.parametrize("roll", [0, 90, 180])
def test_without_a_pose_grasps_come_in_the_frame_of_the_camera(
    planner, camera, shapes, depth_image, roll
):
    """Rolled cameras, upside down too: the rays of a square image turn into each other."""
    pose = view_on_sphere(0.55, math.radians(40), -1.2, (0.15, 0.15, 0.08))
    square = Intrinsics(240, 240, 270.0, 270.0, 119.5, 119.5)
    image = render_primitives(shapes, square, pose)
    turned = np.rot90(image, -roll // 90).copy()
    turn = make_transform(Rotation.from_euler("z", -roll, degrees=True).as_matrix(), np.zeros(3))
    plan = plan_anywhere(planner, turned, square)
    assert plan.reason == "ok"
    T_world_own = pose @ turn
    tilt = T_world_own[:3, :3] @ plan.table.T_world_table[:3, 2]
    assert math.degrees(math.acos(min(1.0, tilt[2]))) < 0.5
    away, grasped = on_things(plan.grasps, shapes, T_world_own)
    assert away.max() < 0.06
    assert len(grasped) >= 2
    assert "camera's frame" in plan.assumed[-1]
    plain = plan_anywhere(planner, image, square)
    assert len(plain.grasps) == pytest.approx(len(plan.grasps), abs=3)


def test_with_a_pose_grasps_come_in_its_frame(planner, camera, shapes, depth_image):
    T = make_transform(Rotation.from_euler("xyz", (20, -15, 70), True).as_matrix(), (1, 2, 3))
    plan = plan_anywhere(planner, depth_image(), camera, T @ fixed_view())
    assert plan.reason == "ok"
    away, _ = on_things(plan.grasps, shapes, inverse_transform(T))
    assert away.max() < 0.06
    only = plan.grasps[0].position
    region = (only - 0.01, only + 0.01)
    few = plan_anywhere(
        planner, depth_image(), camera, T @ fixed_view(), wanted=Wanted(region=region)
    )
    assert all((abs(grasp.position - only) <= 0.01 + 1e-6).all() for grasp in few.grasps)
    assert 0 < len(few.grasps) < len(plan.grasps)


def test_a_large_table_is_covered(planner):
    rng = np.random.default_rng(0)
    spots = [(x, y) for x in (-0.35, 0.0, 0.35) for y in (-0.2, 0.15)]
    things = [
        Primitive(np.array([x, y, 0.03]), np.array([0.02, 0.03, 0.03]), rng.uniform(0, 3))
        for x, y in spots
    ]
    pose = look_at((0.0, -0.75, 0.9), (0.0, 0.0, 0.0))
    image = render_primitives(things, WIDE, pose, table_height=0.0)
    plan = plan_anywhere(planner, image, WIDE, pose)
    assert plan.reason == "ok"
    assert len(plan.cubes) > 3
    away, grasped = on_things(plan.grasps, things)
    assert away.max() < 0.07
    assert grasped == set(range(6))
    scores = [grasp.score for grasp in plan.grasps]
    assert scores == sorted(scores, reverse=True)
    positions = np.array([grasp.position for grasp in plan.grasps])
    apart = np.linalg.norm(positions[:, None] - positions, axis=-1) + np.eye(len(positions))
    assert apart.min() > 1e-3  # none twice, from two cubes
    assert len(plan.clusters) == 6
    middles = np.array([thing.centre for thing in things])
    for number, cluster in enumerate(plan.clusters):
        which = np.linalg.norm(cluster.mean(0) - middles, axis=1).argmin()
        mine = positions[plan.under == number]
        assert len(mine) > 0
        assert (np.linalg.norm(mine[:, None] - middles, axis=-1).argmin(1) == which).all()
    told = plan.facts()
    assert len(told["under"]) == len(told["clearances"]) == len(told["retreats"]) == len(plan)
    left = plan_anywhere(planner, image, WIDE, pose, region=((-0.6, 0, 0), (-0.2, 2, 0.3)))
    assert on_things(left.grasps, things)[1] == {0, 1}


def test_a_bare_table_and_no_table_are_said(planner, camera):
    bare = render_primitives([], camera, fixed_view())
    plan = plan_anywhere(planner, bare, camera)
    assert (plan.grasps, plan.reason) == ([], "empty_workspace")
    assert plan.table is not None
    rng = np.random.default_rng(0)
    nothing = plan_anywhere(planner, rng.uniform(0.3, 1.9, bare.shape), camera)
    assert (nothing.grasps, nothing.reason) == ([], "no_table")
    assert "share a plane" in nothing.detail
    assert plan_anywhere(planner, np.zeros(bare.shape), camera).reason == "empty_depth"


def test_one_cube_tells_what_a_plan_of_it_tells(planner, camera, depth_image):
    plan = plan_anywhere(planner, depth_image(), camera, fixed_view())
    (cube,) = plan.cubes
    np.testing.assert_array_equal(plan.under, cube.result.under)
    np.testing.assert_array_equal(plan.clearances, cube.result.clearances)
    assert len(plan.clusters) == 3
    for ours, theirs in zip(plan.clusters, cube.result.clusters, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    short = plan_anywhere(planner, depth_image(), camera, fixed_view(), time_budget=1e-6)
    assert len(short) > 0
    assert np.isnan(short.clearances).all()
    assert (short.under == -1).all()


def test_several_images_need_poses(planner, camera, depth_image):
    with pytest.raises(ValueError, match="a pose for each"):
        plan_anywhere(planner, np.stack([depth_image()] * 2), camera)


@given(seeds, st.floats(0.15, 0.3))
def test_squares_hold_every_thing_whole_or_nearly(seed, side):
    rng = np.random.default_rng(seed)
    middles = rng.uniform(-0.6, 0.6, (rng.integers(1, 6), 2))
    things = np.concatenate([m + rng.uniform(-0.03, 0.03, (2 * FEWEST, 2)) for m in middles])
    places = cube_places(things, side)
    inside = np.abs(things[:, None] - places).max(-1) <= side / 2 + 1e-9
    assert inside.any(1).mean() > 0.95  # a corner with few points may be left to its neighbour
    for middle in middles:  # some square holds the whole thing, as squares overlap by 10 cm
        near = np.abs(things - middle).max(1) <= 0.03
        assert inside[near].all(0).any()
    width = np.ptp(things, axis=0)
    if (width <= side).all():
        assert len(places) == 1


def test_what_is_too_wide_asks_for_a_region():
    things = np.random.default_rng(0).uniform(-3, 3, (200_000, 2))
    with pytest.raises(ValueError, match="give a region"):
        cube_places(things, 0.26)
