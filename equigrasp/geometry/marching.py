"""Surfaces of volumes by marching cubes (Lorensen and Cline, SIGGRAPH 1987), from PyMCubes."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.optional import require

NUMPY_2_5 = "Setting the shape on a NumPy array has been deprecated"
"""What numpy says from 2.5 on to PyMCubes 0.1.6 (and to scikit-image 0.26, which was used before):
it sets the shape of arrays of its own, which works as it did."""


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
        ImportError: PyMCubes is missing.
    """
    mcubes = require("mcubes", "the surface of a volume")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", NUMPY_2_5, DeprecationWarning)
        vertices, faces = mcubes.marching_cubes(np.asarray(volume, dtype=np.float64), level)
    return vertices.astype(np.float64), faces.astype(np.int64)
