"""The planner and what real cameras deliver: other units, holes, masks, several cameras at once."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from equigrasp.perception.camera import Intrinsics, fixed_view, view_on_sphere
from equigrasp.perception.surface import observed_points, unseen_voxels
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.plan_result import PlanningError
from equigrasp.views import check_views


@pytest.fixture
def holes():
    return np.random.default_rng(0).random((240, 320)) < 0.3


@pytest.mark.parametrize("per_metre", [1000, 4000, 5000, 10_000])
def test_the_largest_16_bit_number_is_a_hole_in_every_unit(
    per_metre, holes, camera, depth_image, blob_planner, assert_same_set
):
    """Depth scales of 1 mm, L515 (0.25 mm), 0.2 mm and D405 (0.1 mm)."""
    raw = np.rint(depth_image() * per_metre).astype(np.uint16)
    empty, full = (np.where(holes, value, raw) for value in (0, 65535))
    first, second = (
        blob_planner().plan(raw.astype(np.float32) / per_metre, camera, fixed_view())
        for raw in (empty, full)
    )
    assert len(first.grasps) > 0
    np.testing.assert_array_equal(first.tsdf, second.tsdf)
    assert_same_set(first.grasps, second.grasps, 1e-9)


def test_pixels_under_a_mask_have_no_reading(holes, camera, depth_image, blob_planner):
    depth = depth_image()
    plain = blob_planner().plan(np.where(holes, 0, depth), camera, fixed_view())
    wrong = np.where(holes, np.float32(0.3), depth)  # what a masked array hides
    masked = np.ma.masked_array(wrong, holes)
    for given in (masked, masked[None]):
        pose = fixed_view() if given.ndim == 2 else fixed_view()[None]
        np.testing.assert_array_equal(blob_planner().plan(given, camera, pose).tsdf, plain.tsdf)


def test_an_open_room_is_not_taken_for_another_unit(camera, depth_image, blob_planner):
    depth = depth_image()
    depth[: int(0.62 * 240)] = 8.0
    assert np.median(depth) > 5
    pose = view_on_sphere(0.6, np.radians(60), -np.pi / 2, (0.15, 0.15, 0.1))
    assert blob_planner().plan(depth, camera, pose).reason in ("ok", "empty_workspace", "no_grasp")


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.longdouble])
def test_real_numbers_of_any_width_are_depth(kind, camera, depth_image, blob_planner):
    result = blob_planner().plan(depth_image().astype(kind), camera, fixed_view())
    assert result.reason == "ok"


def test_nine_numbers_are_a_camera_matrix(camera):
    flat = camera.K.ravel().tolist()
    assert Intrinsics.from_matrix(flat, camera.width, camera.height) == camera
    assert Intrinsics.from_matrix(camera.K.astype(np.float32), np.int64(320), 240) == camera


def cropped(image, camera, rows, columns):
    """A part of an image, and the camera that would have taken it."""
    part = image[rows, columns]
    return part, replace(
        camera,
        width=part.shape[1],
        height=part.shape[0],
        cx=camera.cx - columns.start,
        cy=camera.cy - rows.start,
    )


def test_cameras_of_other_size_and_intrinsics_share_a_plan(
    camera, depth_image, blob_planner, assert_same_set
):
    """The same readings, cut out of two images, with the intrinsics of the parts."""
    poses = np.stack([fixed_view(), view_on_sphere(0.55, 0.6, 0.4, (0.15, 0.15, 0.1))])
    images = [depth_image(pose) for pose in poses]
    cuts = [(slice(10, 230), slice(20, 310)), (slice(0, 240), slice(5, 320))]
    whole = [np.zeros_like(image) for image in images]
    for image, full, cut in zip(whole, images, cuts, strict=True):
        image[cut] = full[cut]
    together = blob_planner().plan(np.stack(whole), camera, poses)
    parts = [cropped(image, camera, *cut) for image, cut in zip(images, cuts, strict=True)]
    depth, cameras = zip(*parts, strict=True)
    assert len({image.shape for image in depth}) == 2
    apart = blob_planner().plan(list(depth), list(cameras), poses)
    assert len(together.grasps) > 0
    np.testing.assert_allclose(apart.tsdf, together.tsdf, atol=1e-5)
    assert_same_set(together.grasps, apart.grasps, 1e-4)


def test_every_view_is_fused_with_its_own_intrinsics(camera, depth_image):
    poses = np.stack([fixed_view(), view_on_sphere(0.55, 0.6, 0.4, (0.15, 0.15, 0.1))])
    images = [depth_image(pose) for pose in poses]
    part, small = cropped(images[1], camera, slice(0, 200), slice(0, 300))
    views = check_views([images[0], part], [camera, small], poses)
    stack, cameras = views.stacked()
    depth = torch.from_numpy(stack)
    empty = [torch.zeros_like(depth[0])]
    for view in range(2):
        only = torch.stack([depth[i] if i == view else empty[0] for i in range(2)])
        own = (torch.from_numpy(views.images[view]), views.cameras[view], poses[view])
        torch.testing.assert_close(
            fuse_tsdf(only, cameras, poses, encoding="full"), fuse_tsdf(*own, encoding="full")
        )
        torch.testing.assert_close(observed_points(only, cameras, poses), observed_points(*own))
        assert torch.equal(unseen_voxels(only, cameras, poses), unseen_voxels(*own))
    with pytest.raises(ValueError, match="1 intrinsics for 2 views"):
        fuse_tsdf(depth, cameras[:1], poses)


def test_an_empty_workspace_says_where_the_readings_lie(camera, depth_image, blob_planner):
    planner = blob_planner(table_height=None)
    pose = fixed_view()
    pose[:3, 3] += 5.0  # a world whose origin is elsewhere
    result = planner.plan(depth_image(), camera, pose)
    assert result.reason == "empty_workspace"
    assert "x 4." in result.detail or "x 5." in result.detail
    assert "0% of them lie in it: check that T_world_camera" in result.detail
    with pytest.raises(PlanningError, match="cube reaches from 0 to 0.3 m"):
        planner.plan(depth_image(), camera, pose, strict=True)
    bare = blob_planner().plan(depth_image(shapes=[]), camera, fixed_view())
    assert bare.reason == "empty_workspace"
    assert "check" not in bare.detail
    assert blob_planner().plan(depth_image(), camera, fixed_view()).detail == ""


@pytest.mark.parametrize("degrees", [2, 25, 45, 60, 75])
def test_views_from_straight_above_to_nearly_level_are_planned(
    degrees, camera, depth_image, blob_planner
):
    pose = view_on_sphere(0.6, np.radians(degrees), -np.pi / 2, (0.15, 0.15, 0.1))
    assert blob_planner().plan(depth_image(pose), camera, pose).reason == "ok"


def test_a_set_up_at_fault_says_what_to_check(camera, depth_image, blob_planner):
    result = blob_planner().plan(1.2 * depth_image(), camera, fixed_view())
    assert result.reason == "check_setup"
    assert result.detail == result.table.reason
    assert "check" in result.detail


def test_volumes_of_numpy_and_of_double_precision_are_planned(
    camera, depth_image, blob_planner, assert_same_set
):
    grid = blob_planner().plan(depth_image(), camera, fixed_view()).tsdf
    plans = [
        blob_planner().plan_tsdf(given).grasps
        for given in (torch.from_numpy(grid), grid, grid.astype(np.float64))
    ]
    assert len(plans[0]) > 0
    for other in plans[1:]:
        assert_same_set(plans[0], other, 1e-9)
