import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equigrasp.data.synthetic import Primitive, random_primitives, render_primitives
from equigrasp.geometry.transforms import look_at
from equigrasp.perception.camera import DEFAULT_INTRINSICS, Intrinsics, fixed_view, random_view
from equigrasp.perception.noise import apply_noise
from equigrasp.perception.rectify import table_depth, table_rectify
from equigrasp.workspace import Workspace

CAMERA = Intrinsics(320, 240, 270.0, 270.0, 160.0, 120.0)
seeds = st.integers(0, 2**32 - 1)


def scene(seed, count=4, intrinsics=CAMERA):
    rng = np.random.default_rng(seed)
    pose = random_view(rng) if rng.integers(2) else fixed_view()
    return render_primitives(random_primitives(rng, count), intrinsics, pose), pose, rng


@given(seeds, st.floats(0.88, 1.12))
@settings(max_examples=15)
def test_finds_the_scale_from_any_view(seed, scale):
    depth, pose, _ = scene(seed)
    rectified, fit = table_rectify((scale * depth).astype("f4"), CAMERA, pose)
    assert fit.ok, fit.reason
    assert fit.scale == pytest.approx(scale, abs=2e-4)
    np.testing.assert_allclose(rectified, depth, atol=2e-4)


@given(seeds)
@settings(max_examples=15)
def test_undoes_the_gamma_noise_to_a_fraction_of_a_millimetre(seed):
    depth, pose, rng = scene(seed, intrinsics=DEFAULT_INTRINSICS)
    rectified, fit = table_rectify(apply_noise(depth, "gamma", rng), DEFAULT_INTRINSICS, pose)
    assert fit.ok, fit.reason
    near = depth < 1.0
    # The factor alone moves surfaces by 19 mm at 0.6 m; the median shows what is left of it.
    assert abs(np.median((rectified - depth)[near])) < 6e-4


@given(seeds, st.floats(-0.02, 0.03), st.floats(0.95, 1.05))
@settings(max_examples=10)
def test_any_table_height(seed, height, scale):
    """A table elsewhere is a camera elsewhere: lower the camera by what the table rises."""
    depth, pose, _ = scene(seed)
    lifted = pose.copy()
    lifted[2, 3] += height - 0.05
    _, fit = table_rectify(
        (scale * depth).astype("f4"), CAMERA, lifted, Workspace(table_height=height)
    )
    assert fit.ok, fit.reason
    assert fit.scale == pytest.approx(scale, abs=3e-4)


def test_any_width_of_the_workspace():
    """Lengths twice as long, in a cube twice as wide, are the same image but for the unit."""
    depth, pose, _ = scene(1)
    far = pose.copy()
    far[:3, 3] *= 2
    wide = Workspace(side=0.6, table_height=0.1)
    rectified, fit = table_rectify((2.1 * depth).astype("f4"), CAMERA, far, wide)
    assert fit.ok, fit.reason
    assert fit.scale == pytest.approx(1.05, abs=2e-4)
    np.testing.assert_allclose(rectified, 2 * depth, atol=4e-4)


def test_objects_over_most_of_the_table_do_not_win():
    rng = np.random.default_rng(0)
    shapes = [
        Primitive(np.array([x, y, 0.05 + h]), np.array([0.03, 0.03, h]))
        for x in (0.05, 0.15, 0.25)
        for y in (0.05, 0.15, 0.25)
        for h in [rng.uniform(0.02, 0.06)]
    ]
    depth = render_primitives(shapes, CAMERA, fixed_view())
    _, fit = table_rectify((1.05 * depth).astype("f4"), CAMERA, fixed_view())
    assert fit.ok
    assert fit.scale == pytest.approx(1.05, abs=5e-4)


def test_missing_readings_do_not_matter():
    depth, pose, rng = scene(3)
    depth = 1.04 * depth
    holes = rng.random(depth.shape) < 0.6
    depth[holes] = rng.choice([0, np.nan, np.inf], holes.sum())
    rectified, fit = table_rectify(depth.astype("f4"), CAMERA, pose)
    assert fit.ok
    assert fit.scale == pytest.approx(1.04, abs=3e-4)
    np.testing.assert_array_equal(np.isfinite(rectified), np.isfinite(depth))


@pytest.mark.parametrize(
    ("pose", "fill"),
    [
        (look_at((0.15, -0.4, 0.3), (0.15, -1.4, 0.9)), 0.8),  # looks away, upwards
        (look_at((0.15, -0.4, 0.3), (0.15, 0.6, 0.3)), None),  # nothing was read
        (fixed_view(), 0.25),  # a wall in front of the camera
    ],
    ids=["away", "empty", "covered"],
)
def test_leaves_depth_alone_where_the_table_is_not_seen(pose, fill):
    depth = np.full((240, 320), np.nan if fill is None else fill, np.float32)
    rectified, fit = table_rectify(depth, CAMERA, pose)
    assert not fit.ok
    assert fit.scale == 1.0
    assert fit.reason
    np.testing.assert_array_equal(rectified, depth)


def test_leaves_depth_alone_where_no_scale_is_agreed_on():
    noise = np.random.default_rng(0).uniform(0.1, 2.0, (240, 320)).astype("f4")
    assert not table_rectify(noise, CAMERA, fixed_view())[1].ok


def test_table_depth_is_the_depth_of_the_bare_table():
    bare = render_primitives([], CAMERA, fixed_view())
    expected = table_depth(CAMERA, fixed_view())
    known = np.isfinite(expected)
    assert known.mean() > 0.3
    np.testing.assert_allclose(expected[known], bare[known], atol=1e-6)
