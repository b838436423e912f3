"""Holes, shadows, flying pixels and steps, each against what it claims to be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equigrasp.data.synthetic import Primitive, random_primitives, render_primitives
from equigrasp.perception import camera_noise
from equigrasp.perception.camera import Intrinsics, fixed_view, pixel_rays, random_view
from equigrasp.perception.camera_noise import LIMIT, SLOPES, camera_effects, incidence, occluded
from equigrasp.perception.noise import apply_noise

CAMERA = Intrinsics(160, 120, 134.4, 134.4, 80.0, 60.0)  # focal length 0.84 times the width
FINE = Intrinsics(640, 480, 537.6, 537.6, 320.0, 240.0)
seeds = st.integers(0, 2**32 - 1)


def scene(seed):
    rng = np.random.default_rng(seed)
    return render_primitives(random_primitives(rng), CAMERA, random_view(rng)), rng


def only(monkeypatch, *effects, flying=0.0, steps=(1e-9, 2e-9)):
    """Leave the named kinds of holes alone; no flying pixels and no steps unless given."""
    shares = {name: float(name in effects) for name in camera_noise.PRESENCE}
    monkeypatch.setattr(camera_noise, "PRESENCE", shares)
    monkeypatch.setattr(camera_noise, "CLEAN_SHARE", 0.0)
    monkeypatch.setattr(camera_noise, "FLYING", flying)
    monkeypatch.setattr(camera_noise, "STEPS", steps)


def test_from_nothing_to_sixty_per_cent_is_missing():
    image = render_primitives(random_primitives(np.random.default_rng(1)), CAMERA, fixed_view())
    rng = np.random.default_rng(0)
    missing = [(apply_noise(image, "camera", rng) == 0).mean() for _ in range(400)]
    assert min(missing) == 0
    assert 0.4 < max(missing) <= LIMIT
    assert 0.02 < np.median(missing) < 0.2
    assert 0.05 < np.mean(np.array(missing) == 0) < 0.3


@given(seeds)
@settings(max_examples=20)
def test_what_is_left_is_depth_between_that_of_pixels_nearby(seed):
    depth, rng = scene(seed)
    out = camera_effects(depth, depth, depth > 0, rng)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(depth, 2, mode="edge"), (5, 5))
    slack = 0.51 * camera_noise.STEPS[1] * depth.max() ** 2 / (1 - camera_noise.STEPS[1] * 2)
    left = out > 0
    assert (out >= windows.min((2, 3)) - slack)[left].all()
    assert (out <= windows.max((2, 3)) + slack)[left].all()


def test_incidence_is_the_tangent_of_the_angle_on_a_plane():
    tilt = np.deg2rad(70)
    normal = np.array([np.sin(tilt), 0.0, -np.cos(tilt)])  # turned about the image's vertical
    depth = (-0.6 * np.cos(tilt) / (pixel_rays(CAMERA) @ normal)).astype("f4")
    middle = incidence(depth)[60, 79:82]
    np.testing.assert_allclose(middle, np.tan(tilt), rtol=0.05)


@pytest.mark.parametrize("baseline", [0.05, -0.05])
def test_shadow_is_what_the_second_eye_does_not_see(baseline):
    """Move the camera by the baseline and ask whether a nearer surface hides the point."""
    box = Primitive(np.array([0.15, 0.15, 0.1]), np.array([0.03, 0.03, 0.05]))
    pose = fixed_view()
    depth = render_primitives([box], FINE, pose)
    points = pixel_rays(FINE) * depth[..., None] - np.array([baseline, 0, 0], "f4")
    second = pose.copy()
    second[:3, 3] += baseline * pose[:3, 0]
    there = render_primitives([box], FINE, second)
    u = np.rint(points[..., 0] / points[..., 2] * FINE.fx + FINE.cx).astype(int)
    inside = (u >= 0) & (u < FINE.width)
    row = np.arange(FINE.height)[:, None]
    nearest = there[row, u.clip(0, FINE.width - 1)]
    truth = inside & (nearest < points[..., 2] - 0.02)
    found = occluded(depth, baseline)
    assert truth.sum() > 800
    assert (found & truth).sum() > 0.85 * truth.sum()
    assert (found & inside & ~truth).sum() < 0.2 * truth.sum()
    left, right = (found[:, half].sum() for half in (slice(0, 320), slice(320, 640)))
    assert (left > 3 * right) == (baseline > 0)


def test_steep_surface_loses_its_readings_and_nothing_else_does(monkeypatch):
    only(monkeypatch, "slope")
    monkeypatch.setattr(camera_noise, "MARGIN", 0.0)
    box = Primitive(np.array([0.15, 0.15, 0.1]), np.array([0.03, 0.03, 0.05]))
    depth = render_primitives([box], CAMERA, fixed_view())
    slope = incidence(depth)
    rims = []
    for seed in range(10):
        hole = camera_effects(depth, depth, depth > 0, np.random.default_rng(seed)) == 0
        assert hole.any()
        near = np.lib.stride_tricks.sliding_window_view(np.pad(slope, 1, mode="edge"), (3, 3))
        assert (near.max((2, 3))[hole] > SLOPES[0]).all()
        assert hole[slope > SLOPES[1]].all()
        rims.append(hole.sum())
    assert len(set(rims)) > 3


def test_steps_grow_with_the_square_of_the_depth(monkeypatch):
    only(monkeypatch, steps=(0.004, 0.004000001))
    ramp = np.linspace(0.4, 1.6, 160 * 120, dtype="f4").reshape(120, 160)
    out = camera_effects(ramp, ramp, ramp > 0, np.random.default_rng(0))
    levels = np.unique(out)
    middle = (levels[1:] + levels[:-1]) / 2
    np.testing.assert_allclose(np.diff(levels) / middle**2, 0.004, rtol=0.01)
    assert np.abs(out - ramp).max() <= 0.51 * 0.004 * 1.6**2


def test_flying_pixels_lie_at_edges_between_both_depths(monkeypatch):
    only(monkeypatch, flying=1.0)
    depth = np.full((120, 160), 1.0, "f4")
    depth[:, :80] = 0.5
    out = camera_effects(depth, depth, depth > 0, np.random.default_rng(3))
    flying = (out > 0.51) & (out < 0.99)
    assert flying.sum() > 10
    columns = np.flatnonzero(flying.any(0))
    assert set(columns) <= {78, 79, 80, 81}


def test_patches_have_the_size_of_a_few_centimetres_wherever_they_are(monkeypatch):
    only(monkeypatch, "patches")
    monkeypatch.setattr(camera_noise, "PATCHES", (1, 1))
    monkeypatch.setattr(camera_noise, "DENSE", 1.0)
    monkeypatch.setattr(camera_noise, "DIAMETERS", (0.04, 0.0400001))
    for distance in (0.4, 0.8):
        depth = np.full((480, 640), distance, "f4")
        hole = camera_effects(depth, depth, depth > 0, np.random.default_rng(2)) == 0
        area = hole.sum() * (distance / (0.84 * 640)) ** 2
        disc = np.pi * 0.02**2
        assert 0.5 * disc * 0.95 < area < disc * 1.05
