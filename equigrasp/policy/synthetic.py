"""Made-up frames of a demonstration, for tests and for trying the file formats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equigrasp.geometry.transforms import look_at
from equigrasp.policy.observation import CAMERAS, CameraImages, Frame, FrameCamera, Observation
from equigrasp.policy.rlbench_camera import intrinsics_of


def random_frames(
    seed: int, count: int, size: int = 16, cameras: Sequence[str] = CAMERAS
) -> list[Frame]:
    """Frames of an arm that never stands still, with noise for images of `size` pixels a side."""
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(count):
        state = Observation(
            gripper_open=1.0,
            joint_velocities=np.full(7, 0.5),
            gripper_pose=rng.normal(size=7),
            misc={"variation_index": 2},
        )
        images = {}
        for name in cameras:
            pose = look_at(rng.uniform(0.5, 1.0, 3), [0, 0, 0])
            camera = FrameCamera(pose, intrinsics_of(size, size, 40.0), 0.01, 4.0)
            state.misc |= camera.to_misc(name)
            images[name] = CameraImages(
                rgb=rng.integers(0, 256, (size, size, 3), dtype=np.uint8),
                depth=rng.uniform(0.01, 4.0, (size, size)),
                mask=rng.integers(0, 2**24, (size, size)).astype(np.int32),
            )
        frames.append(Frame(state, images))
    return frames
