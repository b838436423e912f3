"""Five cameras in RLBench's places, rendered by PyBullet's software renderer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pybullet

from equigrasp.geometry.transforms import Matrix, inverse_transform, look_at
from equigrasp.policy.episodes.camera import camera_from_opengl, intrinsics_of, opengl_depth
from equigrasp.policy.episodes.frames import CameraImages, FrameCamera
from sim.stage.arm import HAND_LINK, Arm
from sim.stage.stage import TABLE_TOP

IMAGE_SIZE = 128
NEAR, FAR = 0.01, 3.2
FIELD_OF_VIEW = {"wrist": 60.0}
DEFAULT_FIELD_OF_VIEW = 40.0
_TARGET = (0.2, 0.0, TABLE_TOP + 0.1)
PLACES: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "left_shoulder": ((-0.2, 0.75, TABLE_TOP + 0.75), _TARGET),
    "right_shoulder": ((-0.2, -0.75, TABLE_TOP + 0.75), _TARGET),
    "overhead": ((0.05, 0.0, TABLE_TOP + 1.5), (0.2, 0.0, TABLE_TOP)),
    "front": ((1.15, 0.0, TABLE_TOP + 0.65), _TARGET),
}
"""Eye and target of the cameras that stand still."""
_TO_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
_BACKGROUND = -1
_WRIST_EYE, _WRIST_TARGET = (0.08, 0.0, -0.02), (0.02, 0.0, 0.2)
"""Of the camera on the hand, in the hand's frame."""


def render(
    arm: Arm,
    names: Sequence[str],
    size: int = IMAGE_SIZE,
    moved: Mapping[str, Matrix] = {},
) -> tuple[dict[str, CameraImages], dict[str, Any]]:
    """Images of the named cameras, and the entries of `FrameState.misc` that describe them.

    Args:
        arm: on its stage.
        names: of cameras, see `CAMERAS`.
        size: pixels per side.
        moved: pose (4, 4) of a camera in the frame of where it would stand, for those that do not
            stand there; their descriptions say where they are.
    """
    images, misc = {}, {}
    for name in names:
        images[name], camera = _photograph(arm, name, size, moved.get(name))
        misc |= camera.to_misc(name)
    return images, misc


def camera_pose(arm: Arm, name: str) -> np.ndarray:
    """(4, 4) pose in the world of the camera `name`: x right, y down, z forward."""
    if name != "wrist":
        return look_at(*PLACES[name])
    return arm.link_pose(HAND_LINK) @ look_at(_WRIST_EYE, _WRIST_TARGET, up=(1.0, 0.0, 0.0))


def _photograph(
    arm: Arm, name: str, size: int, moved: Matrix | None
) -> tuple[CameraImages, FrameCamera]:
    pose = camera_pose(arm, name) if moved is None else camera_pose(arm, name) @ moved
    view = inverse_transform(pose @ _TO_OPENGL)
    angle = FIELD_OF_VIEW.get(name, DEFAULT_FIELD_OF_VIEW)
    projection = pybullet.computeProjectionMatrixFOV(angle, 1.0, NEAR, FAR)
    _, _, rgba, buffer, mask = arm.p.getCameraImage(
        size,
        size,
        view.T.ravel().tolist(),
        projection,
        renderer=pybullet.ER_TINY_RENDERER,
        shadow=0,
        lightDirection=[0.3, 0.4, 1.0],
    )
    intrinsics = intrinsics_of(size, size, angle)
    intrinsics[1, 2] -= 1  # the renderer draws everything one row too high
    depth = opengl_depth(np.reshape(buffer, (size, size)), NEAR, FAR)
    handles = np.reshape(mask, (size, size)).astype(np.int32)
    images = CameraImages(
        rgb=np.reshape(rgba, (size, size, 4))[..., :3].astype(np.uint8),
        depth=np.clip(depth, NEAR, FAR),
        mask=np.where(handles == _BACKGROUND, 0, handles + 1).astype(np.int32),
    )
    return images, camera_from_opengl(view, intrinsics, NEAR, FAR)
