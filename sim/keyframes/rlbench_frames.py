"""Frames of what RLBench observes. Nothing of RLBench is imported: its observations are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.policy.episodes.frames import CameraImages, Frame, FrameState


def frame_of(seen: Any, cameras: Sequence[str]) -> Frame:
    """An observation of RLBench as a frame.

    Args:
        seen: `rlbench.backend.observation.Observation` with depth in metres and coloured masks.
        cameras: whose images it has.

    Raises:
        ValueError: RLBench is too old, or was not asked for these images.
    """
    values = {name: getattr(seen, name, None) for name in FrameState.RECORDED}
    state = FrameState(**values, misc=dict(seen.misc))
    return Frame(state, {name: _images(seen, name) for name in cameras})


def handles_of(coloured: ArrayLike) -> NDArray[np.int32]:
    """Object handles (H, W) from their colours (H, W, 3) in [0, 1], red the lowest byte."""
    bytes_ = np.rint(255 * np.asarray(coloured, np.float64)).astype(np.int32)
    return bytes_[..., 0] | bytes_[..., 1] << 8 | bytes_[..., 2] << 16


def _images(seen: Any, camera: str) -> CameraImages:
    rgb, depth, mask = (getattr(seen, f"{camera}_{kind}") for kind in ("rgb", "depth", "mask"))
    if rgb is None or depth is None:
        raise ValueError(f"RLBench took no image with camera '{camera}'")
    if rgb.dtype != np.uint8:
        raise ValueError(
            f"RLBench gave colours as {rgb.dtype}, as old versions do; 1.2 or newer is needed"
        )
    handles = None if mask is None else handles_of(mask)
    return CameraImages(rgb, np.asarray(depth, np.float64), handles)
