"""Surfaces of volumes by marching cubes (Lorensen and Cline, SIGGRAPH 1987), from PyMCubes; from
scikit-image on the Pythons that PyMCubes has no wheels for.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.optional import require

NUMPY_2_5 = "Setting the shape on a NumPy array has been deprecated"
"""What numpy says from 2.5 on to PyMCubes 0.1.6 and to scikit-image 0.26: they set the shape of
arrays of their own, which works as it did."""


def marching_cubes(
    volume: ArrayLike, level: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Where a volume (X, Y, Z) crosses a level.

    Vertices lie on lattice edges whose ends are on different sides, so those of a turned volume are
    the turned vertices. How they are joined in ambiguous cells hangs on the table of marching
    cubes, which knows no symmetry.

    Returns:
        vertices (V, 3), in units and axes of the indices, and triangles (F, 3), anticlockwise seen
        from where the volume is below the level.

    Raises:
        ImportError: both libraries are missing.
    """
    volume = np.asarray(volume, dtype=np.float64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", NUMPY_2_5, DeprecationWarning)
        if find_spec("mcubes") is None and find_spec("skimage") is not None:
            if not volume.min() < level < volume.max():
                return np.zeros((0, 3)), np.zeros((0, 3), np.int64)
            measure = require("skimage.measure", "the surface of a volume")
            options = {"method": "lorensen", "gradient_direction": "ascent"}
            vertices, faces, *_ = measure.marching_cubes(volume, level, **options)
        else:
            mcubes = require("mcubes", "the surface of a volume")
            vertices, faces = mcubes.marching_cubes(volume, level)
    return vertices.astype(np.float64), faces.astype(np.int64)
