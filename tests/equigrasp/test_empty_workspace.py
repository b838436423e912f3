"""Nothing there means nothing, from any view; and what is 15 mm thick is there."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from equigrasp.data.synthetic import Primitive, render_primitives
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view, view_on_sphere
from equigrasp.perception.noise import apply_noise
from equigrasp.perception.rectify import table_depth
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.plan_result import PlanningError
from equigrasp.planner import GraspPlanner

DOWN = pytest.mark.parametrize("polar", [5, 25, 45, 60, 75])
NOISE = pytest.mark.parametrize("kind", ["none", "gamma", "camera"])


def view(polar):
    """Camera 0.6 m from a point 5 cm above the table, `polar` degrees from the vertical."""
    return view_on_sphere(0.6, np.radians(polar), -np.pi / 2, (0.15, 0.15, 0.1))


def bare(pose):
    depth = table_depth(DEFAULT_INTRINSICS, pose, margin=0.5)
    return np.where(np.isfinite(depth), depth, 2.0).astype(np.float32)


@DOWN
@NOISE
@pytest.mark.parametrize("rectify", [True, False])
def test_a_bare_table_is_an_empty_workspace(polar, kind, rectify, blob_model):
    planner = GraspPlanner(blob_model, rectify_table=rectify)
    pose = view(polar)
    depth = apply_noise(bare(pose), kind, np.random.default_rng(polar))
    result = planner.plan(depth, DEFAULT_INTRINSICS, pose)
    assert (result.reason, result.grasps, result.queries) == ("empty_workspace", [], 0)


@DOWN
@pytest.mark.parametrize("lattice", [40, 60])
def test_eight_millimetres_are_nothing_and_fifteen_are_something(polar, lattice, blob_planner):
    pose = view(polar)
    planner = blob_planner(replace(blob_planner().detection, lattice=lattice))
    for height, empty in ((0.008, True), (0.015, False)):
        slab = Primitive(
            np.array([0.15, 0.16, 0.05 + height / 2]), np.array([0.03, 0.01, height / 2]), 0.3
        )
        depth = np.minimum(render_primitives([slab], DEFAULT_INTRINSICS, pose), 2.0)
        result = planner.plan(depth, DEFAULT_INTRINSICS, pose)
        assert (result.reason == "empty_workspace") == empty
        assert (result.queries == 0) == empty


@pytest.mark.parametrize("encoding", ["full", "published"])
def test_a_bare_table_in_a_volume_is_empty_too(encoding, blob_planner):
    for polar in (5, 25, 45, 75):
        depth = torch.from_numpy(bare(view(polar)))
        tsdf = fuse_tsdf(depth, DEFAULT_INTRINSICS, view(polar), encoding=encoding)
        planner = blob_planner(encoding=encoding)
        assert planner.plan_tsdf(tsdf, level=True).reason == "empty_workspace"
        assert planner.plan_tsdf(tsdf).queries > 0


def test_a_set_up_that_contradicts_the_table_is_told(camera, depth_image, blob_planner):
    """The image upside down: no grasps, and what to look at."""
    flipped = depth_image()[::-1].copy()
    result = blob_planner().plan(flipped, camera, fixed_view())
    assert (result.reason, result.grasps, result.queries) == ("check_setup", [], 0)
    assert "flipped" in result.table.reason
    with pytest.raises(PlanningError, match="check_setup"):
        blob_planner().plan(flipped, camera, fixed_view(), strict=True)
    assert blob_planner(rectify_table=False).plan(flipped, camera, fixed_view()).tables == ()


def test_one_wrong_view_of_several_is_enough(camera, depth_image, blob_planner):
    depth = np.stack([depth_image(), depth_image()[::-1]])
    result = blob_planner().plan(depth, camera, np.stack([fixed_view()] * 2))
    assert result.reason == "check_setup"
    assert [fit.setup for fit in result.tables] == [False, True]


def test_a_camera_without_a_factor_allows_a_tighter_limit(camera, depth_image, blob_planner):
    scaled = (1.05 * depth_image()).astype(np.float32)
    loose = blob_planner().plan((1.002 * scaled).astype("f4"), camera, fixed_view())
    assert loose.reason == "ok"
    assert loose.detail == loose.table.doubt
    assert "divided by 1.052" in loose.detail
    strict = blob_planner(scale_limit=0.03).plan(scaled, camera, fixed_view())
    assert strict.reason == "check_setup"
    assert "1.050" in strict.table.reason
