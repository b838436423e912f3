"""Images of bent lenses, ray by ray, become those of a pinhole camera."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import root

from equigrasp.data.synthetic import Primitive, render_primitives
from equigrasp.perception.camera import Intrinsics, fixed_view
from equigrasp.perception.distortion import distorted, undistort

CAMERA = Intrinsics(160, 120, 135.0, 133.0, 80.0, 61.0)
THINGS = [
    Primitive(np.array([0.10, 0.11, 0.080]), np.array([0.02, 0.03, 0.030]), 0.4),
    Primitive(np.array([0.19, 0.17, 0.075]), np.full(3, 0.025), box=False),
]
LENSES = [
    (0.12, -0.2, 0.002, -0.003),
    (-0.2, 0.05, 0.001, 0.002, 0.01),
    (0.3, 0.1, -0.001, 0.001, 0.02, 0.2, 0.1, 0.01),
]


def through_the_lens(pinhole, lens):
    """What the lens shows: every pixel takes the pinhole image where its ray goes, by root search
    of the stated polynomial, written out anew."""
    k1, k2, p1, p2, k3, k4, k5, k6 = (*lens, *(0,) * (8 - len(lens)))

    def project(point, seen):
        x, y = point
        r = x * x + y * y
        s = (1 + k1 * r + k2 * r**2 + k3 * r**3) / (1 + k4 * r + k5 * r**2 + k6 * r**3)
        return (
            x * s + 2 * p1 * x * y + p2 * (r + 2 * x * x) - seen[0],
            y * s + p1 * (r + 2 * y * y) + 2 * p2 * x * y - seen[1],
        )

    image = np.zeros_like(pinhole)
    for v in range(0, CAMERA.height, 5):
        for u in range(0, CAMERA.width, 5):
            seen = ((u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy)
            found = root(project, seen, args=(seen,), tol=1e-12)
            if not found.success:  # at the rim some lenses fold back: nothing is seen there
                continue
            x, y = found.x
            column, row = round(x * CAMERA.fx + CAMERA.cx), round(y * CAMERA.fy + CAMERA.cy)
            if 0 <= column < CAMERA.width and 0 <= row < CAMERA.height:
                image[v, u] = pinhole[row, column]
    return image


@pytest.mark.parametrize("lens", LENSES)
def test_what_the_lens_bent_is_straight_again(lens):
    pinhole = render_primitives(THINGS, CAMERA, fixed_view())
    bent = through_the_lens(pinhole, lens)
    straight = undistort(bent, CAMERA, lens)
    rows, columns = np.nonzero(straight)
    assert len(rows) > 300
    # a sampled pixel lies within one of the pinhole's: its value is one of the nine around
    for v, u in zip(rows, columns, strict=True):
        around = pinhole[max(v - 1, 0) : v + 2, max(u - 1, 0) : u + 2]
        assert around.min() - 1e-6 <= straight[v, u] <= around.max() + 1e-6


@given(st.integers(0, 2**32 - 1), st.sampled_from(LENSES))
def test_a_shorter_list_has_zeros_behind_it(seed, lens):
    x, y = np.random.default_rng(seed).uniform(-0.6, 0.6, (2, 7))
    full = (*lens, *(0.0,) * (8 - len(lens)))
    np.testing.assert_allclose(distorted(x, y, lens), distorted(x, y, full), atol=1e-15)
    np.testing.assert_array_equal(distorted(x, y, (0, 0, 0, 0)), (x, y))


def test_no_distortion_changes_nothing_and_masks_are_holes():
    image = render_primitives(THINGS, CAMERA, fixed_view())
    np.testing.assert_array_equal(undistort(image, CAMERA, np.zeros(5)), image)
    masked = np.ma.masked_greater(image, 1.0)
    np.testing.assert_array_equal(
        undistort(masked, CAMERA, np.zeros(5)), np.where(image > 1.0, 0, image)
    )


@pytest.mark.parametrize("lens", [(0.1,), (0.1,) * 6, (0.1, 0, 0, math.nan), ()])
def test_what_is_no_lens_is_refused(lens):
    with pytest.raises(ValueError, match="OpenCV's order"):
        undistort(np.ones((120, 160)), CAMERA, lens)


def test_another_size_is_refused():
    with pytest.raises(ValueError, match="must belong together"):
        undistort(np.ones((120, 161)), CAMERA, (0, 0, 0, 0))
