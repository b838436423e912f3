import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equigrasp.camera_check import share_in_view
from equigrasp.geometry.transforms import inverse_transform, is_rotation, transform_points
from equigrasp.perception.camera import (
    DEFAULT_INTRINSICS,
    Intrinsics,
    depth_to_points,
    fixed_view,
    pixel_rays,
    project,
    random_view,
    valid_pixels,
    validate_depth,
)
from equigrasp.workspace import Workspace

SMALL = Intrinsics(32, 24, 27.0, 26.0, 15.2, 12.4)
seeds = st.integers(0, 2**32 - 1)


def random_depth(seed):
    return np.random.default_rng(seed).uniform(0.2, 1.5, (SMALL.height, SMALL.width)).astype("f4")


@given(seeds)
def test_points_project_back_to_their_pixels(seed):
    depth, pose = random_depth(seed), random_view(np.random.default_rng(seed))
    u, v, z = project(depth_to_points(depth, SMALL, pose), SMALL, pose).T
    rows, columns = np.mgrid[: SMALL.height, : SMALL.width]
    np.testing.assert_allclose(u, columns.ravel(), atol=1e-5)
    np.testing.assert_allclose(v, rows.ravel(), atol=1e-5)
    np.testing.assert_allclose(z, depth.ravel(), atol=1e-6)


def test_the_pixel_at_the_principal_point_looks_along_the_axis():
    intrinsics = Intrinsics(5, 5, 10.0, 10.0, 2.0, 2.0)
    np.testing.assert_array_equal(pixel_rays(intrinsics)[2, 2], [0, 0, 1])
    np.testing.assert_allclose(pixel_rays(intrinsics)[1, 4], [0.2, -0.1, 1], rtol=1e-6)


def test_points_in_the_plane_of_a_camera_have_no_image_and_raise_no_warning():
    camera = Intrinsics(640, 480, 540.0, 540.0, 320.0, 240.0)
    points = np.array([[0.1, -0.2, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.5]])
    found = project(points, camera, np.eye(4))
    assert not np.isfinite(found[:2, :2]).any()
    np.testing.assert_allclose(found[2], [320.0, 240.0, 0.5])
    # A camera over the middle that looks along y: a row of places lies in its own plane.
    wide = Intrinsics(640, 480, 100.0, 100.0, 320.0, 240.0)
    pose = np.eye(4)
    pose[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    pose[:3, 3] = [0.15, 0.15, 0.2]
    # Before it two rows of five places at three heights: 0.15, 0.12 and 0.09 m under the camera are
    # rows 490, 440 and 390 of the image at 0.06 m, 365, 340 and 315 at 0.12 m. The image has 480.
    assert share_in_view(wide, pose, Workspace()) == pytest.approx((2 + 3) * 5 / 75)


def test_points_skip_pixels_without_a_reading_and_beyond_the_limit():
    depth = np.full((24, 32), 0.5, np.float32)
    depth[0, :5] = (0, np.nan, np.inf, -1, 1.2)
    assert valid_pixels(depth).sum() == depth.size - 4
    assert len(depth_to_points(depth, SMALL, np.eye(4))) == depth.size - 4
    assert len(depth_to_points(depth, SMALL, np.eye(4), max_depth=1.0)) == depth.size - 5


def test_fixed_view_is_the_published_one():
    T = fixed_view()
    np.testing.assert_allclose(T[:3, 3], [0.15, 0.15 - 0.6 * np.sin(np.pi / 3), 0.4], atol=1e-12)
    u, v, z = project(np.array([[0.15, 0.15, 0.10]]), DEFAULT_INTRINSICS, T)[0]
    np.testing.assert_allclose([u, v, z], [320, 240, 0.6], atol=1e-9)


@given(seeds)
def test_random_views_stay_in_the_published_ranges(seed):
    T = random_view(np.random.default_rng(seed))
    assert is_rotation(T[:3, :3], 1e-9)
    target = [0.15, 0.15, 0.15]
    offset = T[:3, 3] - target
    radius = np.linalg.norm(offset)
    assert 0.45 <= radius <= 0.60
    assert 45 <= np.degrees(np.arccos(offset[2] / radius)) <= 75 + 1e-9
    assert 0 <= np.degrees(np.arctan2(offset[1], offset[0])) <= 180
    np.testing.assert_allclose(
        transform_points(inverse_transform(T), [target])[0], [0, 0, radius], atol=1e-9
    )


def test_views_of_another_workspace_look_at_its_middle():
    wide = Workspace(side=0.6, table_height=0.2)
    lines = [fixed_view(wide), random_view(np.random.default_rng(0), wide)]
    for T, height in zip(lines, (0.25, 0.3), strict=True):
        u, v, _ = project(np.array([[0.3, 0.3, height]]), DEFAULT_INTRINSICS, T)[0]
        np.testing.assert_allclose([u, v], [320, 240], atol=1e-9)


def test_intrinsics_survive_dict_and_matrix():
    assert Intrinsics.from_dict(SMALL.to_dict()) == SMALL
    assert Intrinsics.from_matrix(SMALL.K, SMALL.width, SMALL.height) == SMALL


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "size"),
        ({"fx": -540.0}, "focal"),
        ({"fx": float("nan")}, "focal"),
        ({"fx": 1500.0}, "fx/fy"),
        ({"cx": 900.0}, "principal point"),
        ({"cx": 240.0, "cy": 700.0}, "swapped"),
    ],
)
def test_implausible_intrinsics_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(DEFAULT_INTRINSICS, **change).validate()


def good_depth():
    return np.full((480, 640), 0.6, np.float32)


def test_plausible_input_passes_and_comes_back_as_float32():
    checked = validate_depth(good_depth().astype(float), DEFAULT_INTRINSICS, fixed_view())
    assert checked.dtype == np.float32
    empty = np.zeros((480, 640), np.float32)
    assert validate_depth(empty, DEFAULT_INTRINSICS, fixed_view()).shape == (480, 640)


@pytest.mark.parametrize(
    ("depth", "message"),
    [
        (np.full((480, 640), 600, np.uint16), "uint16.*depth_scale=0.001"),
        (np.full((480, 640), 600.0), "millimetres"),
        (np.full((480, 640), 8.0), "check the unit"),
        (np.full((480, 640), 0.006), "check the unit"),
        (np.full((640, 480), 0.6), "belong together"),
        (np.full((480, 640, 1), 0.6), "belong together"),
    ],
)
def test_implausible_depth_is_refused_with_the_suspected_cause(depth, message):
    with pytest.raises(ValueError, match=message):
        validate_depth(depth, DEFAULT_INTRINSICS, fixed_view())


@pytest.mark.parametrize(
    "pose",
    [np.eye(3), np.diag([1.0, 1, -1, 1]), np.full((4, 4), np.nan), 2 * np.eye(4)],
    ids=["shape", "mirror", "nan", "scaled"],
)
def test_poses_that_are_not_rigid_are_refused(pose):
    with pytest.raises(ValueError, match="T_world_camera"):
        validate_depth(good_depth(), DEFAULT_INTRINSICS, pose)
