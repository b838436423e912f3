"""Depth images of whole numbers, as cameras and PNG files give them, in metres."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

TOO_FAR = np.iinfo(np.uint16).max
"""What cameras write where a reading does not fit into 16 bits: no reading."""


def to_metres(depth: ArrayLike, scale: float) -> NDArray:
    """An image of whole numbers (H, W) in metres; one of real numbers stays as it is.

    Args:
        depth: of any type; masks are kept.
        scale: metres of one unit.

    Returns:
        float32; 0 where there is no reading.
    """
    values = np.ma.asanyarray(depth) if np.ma.isMaskedArray(depth) else np.asarray(depth)
    if not np.issubdtype(values.dtype, np.integer) or values.dtype.itemsize < 2:
        return values
    seen = np.where(np.ma.getdata(values) == TOO_FAR, 0, np.ma.getdata(values))
    metres = (seen * np.float64(scale)).astype(np.float32)
    return np.ma.array(metres, mask=values.mask) if np.ma.isMaskedArray(values) else metres
