"""Made-up frames and demonstrations, for tests and for trying file formats and training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from equigrasp.geometry.transforms import look_at
from equigrasp.policy.episodes.camera import intrinsics_of
from equigrasp.policy.episodes.files import write_episode
from equigrasp.policy.episodes.frames import (
    CAMERAS,
    CameraImages,
    Frame,
    FrameCamera,
    FrameState,
)


def random_frames(
    seed: int, count: int, size: int = 16, cameras: Sequence[str] = CAMERAS
) -> list[Frame]:
    """Frames of an arm that never stands still, with noise for images of `size` pixels a side."""
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(count):
        state = FrameState(
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


def write_synthetic_demonstrations(
    root: str | Path, episodes: int, *, cameras: Sequence[str] = CAMERAS
) -> None:
    """Two tasks, "open" and "close", each with its own place and its own turn of the fingers.

    Args:
        root: folder of tasks.
        episodes: of each; every one has two keyframes. Its images are noise, 8 pixels a side.
        cameras: whose images are written.
    """
    for task, side in (("open", 0.2), ("close", -0.2)):
        for number in range(episodes):
            frames = random_frames(10 * len(task) + number, 8, 8, cameras)
            for index, frame in enumerate(frames):
                turn = Rotation.from_euler("xyz", [180, 0, 5 * index], degrees=True)
                frame.state.gripper_pose = np.concatenate([[0.1, side, 0.9], turn.as_quat()])
                frame.state.gripper_open = float((index < 5) == (task == "close"))
            write_episode(root, task, number, frames, variation=0, descriptions=[f"{task} it"])
