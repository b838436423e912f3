"""RLBench's images on disk: depth and object handles in the three bytes of a PNG's colours."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

DEPTH_STEPS = 2**24 - 1
"""Levels of a depth image between its camera's near and far plane."""

COLOURS = ("RGB", "RGBA", "P")
"""Kinds of pixels that are colours of 8 bits, as PIL calls them."""


def encode_depth(depth: ArrayLike, near: float, far: float) -> NDArray[np.uint8]:
    """Metres (H, W) to (H, W, 3): a linear fraction of 24 bits, high byte first, clipped.

    Raises:
        ValueError: depth that is not finite, or planes that enclose nothing.
    """
    depth = np.asarray(depth, np.float64)  # in float32 the far plane overflows to the near one
    if not near < far:
        raise ValueError(f"near is {near} and far {far} m; need near < far")
    if not np.isfinite(depth).all():
        raise ValueError("depth has values that are not finite; give the far plane instead")
    steps = np.floor((depth - near) / (far - near) * DEPTH_STEPS + 0.5)
    return _to_bytes(np.clip(steps, 0, DEPTH_STEPS).astype(np.int64))


def decode_depth(image: NDArray[np.uint8], near: float, far: float) -> NDArray[np.float64]:
    """Inverse of `encode_depth`, to half a step."""
    return near + _from_bytes(image) / DEPTH_STEPS * (far - near)


def encode_handles(handles: ArrayLike) -> NDArray[np.uint8]:
    """Object handles (H, W) to (H, W, 3), low byte first.

    Raises:
        ValueError: a handle outside 0 to 2^24 - 1.
    """
    handles = np.asarray(handles, np.int64)
    if handles.size and not 0 <= handles.min() <= handles.max() <= DEPTH_STEPS:
        raise ValueError(
            f"handles reach from {handles.min()} to {handles.max()}; 0 to {DEPTH_STEPS} fit"
        )
    return _to_bytes(handles)[..., ::-1]


def decode_handles(image: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Inverse of `encode_handles`."""
    return _from_bytes(image[..., ::-1]).astype(np.int32)


def png_bytes(image: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) as a PNG."""
    from PIL import Image

    target = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(target, "PNG")
    return target.getvalue()


def read_png(path: Path, *, coded: bool = False) -> NDArray[np.uint8]:
    """(H, W, 3) of a PNG.

    Args:
        path: of the file.
        coded: whether its colours stand for other numbers, as those of depth and handles do; then
            nothing but three bytes per pixel will do.

    Raises:
        FileNotFoundError: there is none.
        ValueError: torn, no PNG, or of another kind of pixel.
    """
    from PIL import Image

    with open(path, "rb") as file:
        try:
            image = Image.open(file, formats=["PNG"])
            kinds = ("RGB",) if coded else COLOURS
            if image.mode in kinds:
                return np.asarray(image.convert("RGB"))
        except (OSError, ValueError, SyntaxError) as error:
            raise ValueError(f"{path}: torn, or no PNG: {error}") from error
    wanted = "RLBench codes depth and handles in three bytes" if coded else "colours are 8 bits"
    raise ValueError(f"{path}: has pixels of the kind '{image.mode}', not 'RGB'; {wanted}")


def _to_bytes(values: NDArray[np.int64]) -> NDArray[np.uint8]:
    return np.stack([values >> 16, values >> 8, values], -1).astype(np.uint8)


def _from_bytes(image: NDArray[np.uint8]) -> NDArray[np.int64]:
    high, middle, low = np.moveaxis(image.astype(np.int64), -1, 0)
    return (high << 16) | (middle << 8) | low
