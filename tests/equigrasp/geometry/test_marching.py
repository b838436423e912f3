"""Marching cubes: places, orientation, turns, and what libraries say of numpy on the way."""

import warnings
from importlib.util import find_spec

import mcubes
import numpy as np
import pytest

from equigrasp.geometry import marching
from equigrasp.geometry.marching import NUMPY_2_5, marching_cubes

BALL = 6.0 - np.linalg.norm(np.indices((20, 20, 20)) - 9.5, axis=0)
"""Distance into a ball."""

HERE = [name for name in ("mcubes", "skimage") if find_spec(name)]


@pytest.fixture(params=HERE)
def library(request, monkeypatch):
    """Either library alone, as far as it is here."""
    monkeypatch.setattr(marching, "find_spec", lambda name: name if name == request.param else None)
    return request.param


@pytest.mark.usefixtures("library")
def test_vertices_lie_on_the_surface_and_triangles_look_outwards():
    vertices, faces = marching_cubes(BALL, 0.0)
    assert np.abs(np.linalg.norm(vertices - 9.5, axis=1) - 6.0).max() < 0.05
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    volume = np.einsum("ij,ij->i", a - 9.5, np.cross(b - 9.5, c - 9.5)).sum() / 6
    assert volume == pytest.approx(4 / 3 * np.pi * 6**3, rel=0.03)


@pytest.mark.usefixtures("library")
def test_where_nothing_is_crossed_there_is_no_surface():
    for volume in (np.zeros((4, 4, 4)), np.ones((4, 4, 4))):
        vertices, faces = marching_cubes(volume, 0.5)
        assert (vertices.shape, faces.shape) == ((0, 3), (0, 3))


def test_a_turned_volume_has_the_turned_vertices(library):
    digits = 9 if library == "mcubes" else 4  # scikit-image counts in single precision
    rough = np.random.default_rng(0).normal(size=(8, 8, 8))
    here, _ = marching_cubes(rough, 0.1)
    there, _ = marching_cubes(np.rot90(rough), 0.1)
    turned = np.stack([7 - here[:, 1], here[:, 0], here[:, 2]], 1)
    order = [np.lexsort(each.round(digits).T) for each in (turned, there)]
    np.testing.assert_allclose(turned[order[0]], there[order[1]], atol=10.0**-digits)


def test_what_numpy_says_to_the_library_is_not_passed_on_and_all_else_is(monkeypatch):
    def warn(text):
        def extract(volume, level):
            warnings.warn(text, DeprecationWarning, stacklevel=2)
            return np.zeros((0, 3)), np.zeros((0, 3))

        monkeypatch.setattr(mcubes, "marching_cubes", extract)

    warn(f"{NUMPY_2_5} in NumPy 2.5.")
    marching_cubes(BALL, 0.0)
    warn("something else is deprecated")
    with pytest.warns(DeprecationWarning, match="something else"):
        marching_cubes(BALL, 0.0)
