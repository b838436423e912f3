"""What the visible table says about a wrong set-up, and that honest images pass."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.data.synthetic import Primitive, random_primitives, render_primitives
from equigrasp.perception.camera import (
    Intrinsics,
    depth_to_points,
    fixed_view,
    random_view,
    view_on_sphere,
)
from equigrasp.perception.noise import apply_noise
from equigrasp.perception.rectify import fit_table, table_in_depth, table_rectify
from equigrasp.workspace import Workspace

CAMERA = Intrinsics(320, 240, 270.0, 270.0, 160.0, 120.0)
STEEP = view_on_sphere(0.55, np.radians(20), 1.0, (0.15, 0.15, 0.1))
VIEWS = pytest.mark.parametrize("pose", [fixed_view(), STEEP], ids=["fixed", "steep"])
COUNTS = pytest.mark.parametrize("count", [0, 5])


def image(pose, count, seed=0):
    shapes = random_primitives(np.random.default_rng(seed), count) if count else []
    return render_primitives(shapes, CAMERA, pose)


def pitched(pose, degrees):
    """The pose with the camera turned about the horizontal of its image."""
    wrong = pose.copy()
    wrong[:3, :3] = pose[:3, :3] @ Rotation.from_euler("x", degrees, degrees=True).as_matrix()
    return wrong


@VIEWS
@COUNTS
@pytest.mark.parametrize("degrees", [-10, -8, -5, 5, 8, 10])
def test_a_tilted_pose_is_told_with_its_angle(pose, count, degrees):
    depth = image(pose, count)
    rectified, fit = table_rectify(depth, CAMERA, pitched(pose, degrees))
    assert (fit.ok, fit.setup, fit.scale) == (False, True, 1.0)
    assert fit.tilt == pytest.approx(abs(degrees), abs=0.6)
    assert "pose" in fit.reason
    np.testing.assert_array_equal(rectified, depth)


@VIEWS
def test_a_pose_off_by_a_degree_is_corrected_at_the_middle_of_the_workspace(pose):
    wrong = pitched(pose, 1.0)
    rectified, fit = table_rectify(image(pose, 0), CAMERA, wrong)
    assert fit.ok
    assert fit.tilt == pytest.approx(1.0, abs=0.15)
    points = depth_to_points(rectified, CAMERA, wrong)
    near = np.linalg.norm(points[:, :2] - 0.15, axis=1) < 0.01
    assert near.sum() > 20
    assert np.median(points[near, 2]) == pytest.approx(0.05, abs=5e-4)


@VIEWS
@COUNTS
def test_a_flipped_image_is_told(pose, count):
    fit = fit_table(image(pose, count)[::-1].copy(), CAMERA, pose)
    assert fit.setup
    assert "flipped" in fit.reason


@VIEWS
@COUNTS
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_intrinsics_of_another_resolution_are_told(pose, count, factor):
    wrong = replace(CAMERA, fx=factor * CAMERA.fx, fy=factor * CAMERA.fy)
    fit = fit_table(image(pose, count), wrong, pose)
    assert fit.setup
    assert "intrinsics" in fit.reason


@VIEWS
@COUNTS
def test_a_wrong_height_of_the_table_is_told(pose, count):
    fit = fit_table(image(pose, count), CAMERA, pose, Workspace(table_height=0.13))
    assert fit.setup
    assert fit.tilt < 0.5
    assert "height" in fit.reason


def test_a_tray_that_fills_the_view_is_a_factor_and_a_tighter_limit_tells_it():
    """A parallel plane cannot be told from a factor; cameras that have none allow a tight limit."""
    tray = Primitive(np.array([0.15, 0.15, 0.065]), np.array([0.6, 0.6, 0.015]))
    depth = render_primitives([tray], CAMERA, STEEP)
    above = STEEP[2, 3] - 0.05
    fit = fit_table(depth, CAMERA, STEEP)
    assert fit.ok
    assert fit.scale == pytest.approx((above - 0.03) / above, abs=1e-3)  # 0.947
    assert "divided by 0.947" in fit.doubt
    assert "a tray" in fit.doubt
    strict = fit_table(depth, CAMERA, STEEP, limit=0.05)
    assert strict.doubt == ""  # the reason tells it
    assert strict.setup
    assert "0.947" in strict.reason
    small = Primitive(np.array([0.15, 0.15, 0.065]), np.array([0.12, 0.12, 0.015]))
    fit = fit_table(render_primitives([small], CAMERA, STEEP), CAMERA, STEEP)
    assert fit.ok
    assert fit.scale == pytest.approx(1, abs=1e-3)


@VIEWS
@pytest.mark.parametrize("half", [0.25, 0.3])
@pytest.mark.parametrize("scale", [0.96, 1.0, 1.02])
def test_a_tray_that_leaves_some_table_to_see_is_not_taken_for_it(pose, half, scale):
    """A plate of 50 or 60 cm, 3 cm thick: a tenth to a third of the table shows around it."""
    tray = Primitive(np.array([0.15, 0.15, 0.065]), np.array([half, half, 0.015]))
    depth = render_primitives([tray], CAMERA, pose)
    fit = fit_table((scale * depth).astype("f4"), CAMERA, pose)
    assert fit.ok
    assert fit.scale == pytest.approx(scale, abs=1e-3)
    assert fit.doubt == ""


@pytest.mark.parametrize("scale", [0.98, 1.0, 1.02])
def test_a_table_that_ends_above_a_bench_is_not_left_for_it(scale):
    """A plane beyond the table counts only where it agrees better with the table's height."""
    lifted = STEEP.copy()
    lifted[2, 3] += 0.03  # seen from there, the plate's top is where the table should be
    plate = Primitive(np.array([0.15, 0.15, 0.065]), np.array([0.25, 0.25, 0.015]))
    depth = render_primitives([plate], CAMERA, lifted)
    fit = fit_table((scale * depth).astype("f4"), CAMERA, STEEP)
    assert fit.scale == pytest.approx(scale, abs=1e-3)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["gamma", "camera", "gaussian"]))
@settings(max_examples=30)
def test_honest_images_pass(seed, kind):
    """Heaps of boxes over much of the table, any view, any noise."""
    rng = np.random.default_rng(seed)
    pose = random_view(rng) if rng.integers(2) else fixed_view()
    heap = [
        Primitive(
            np.append(rng.uniform(0.0, 0.3, 2), rng.uniform(0.05, 0.12)),
            rng.uniform(0.015, 0.045, 3),
            rng.uniform(0, np.pi),
        )
        for _ in range(rng.integers(20))
    ]
    depth = apply_noise(render_primitives(heap, CAMERA, pose), kind, rng)
    fit = fit_table(depth, CAMERA, pose)
    assert not fit.setup, fit.reason
    assert fit.tilt < 1.0


@given(st.floats(0.92, 1.08), st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_where_the_table_shows_in_depth_that_keeps_its_factor(scale, seed):
    """The table's readings, put into the workspace as they are, lie at that height."""
    rng = np.random.default_rng(seed)
    poses = np.stack([random_view(rng), fixed_view()])
    fits = [
        fit_table((factor * image(pose, 2, seed)).astype("f4"), CAMERA, pose)
        for pose, factor in zip(poses, (scale, 1.0), strict=True)
    ]
    bare = (scale * render_primitives([], CAMERA, poses[0])).astype("f4")
    ray = np.array([(100 - 160) / 270, (150 - 120) / 270, 1]) * bare[150, 100]
    seen = (poses[0] @ np.append(ray, 1))[2]
    assert table_in_depth(fits[:1], poses[:1]) == pytest.approx(seen, abs=5e-4)
    assert table_in_depth(fits, poses) == pytest.approx(max(seen, 0.05), abs=5e-4)
    assert table_in_depth((), poses) is None


@VIEWS
@pytest.mark.parametrize("columns", [60, 120])
@pytest.mark.parametrize("far", [2.0, 7.0])
def test_a_background_larger_than_the_table_is_not_taken_for_it(pose, columns, far):
    """A wall that fills most of the picture, as where the table ends or something hides it."""
    depth = image(pose, 0)
    depth[:, columns:] = far
    fit = fit_table(depth, CAMERA, pose)
    assert fit.ok, fit.reason
    assert fit.scale == pytest.approx(1, abs=1e-3)
    assert fit.tilt < 0.1
