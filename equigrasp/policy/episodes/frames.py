"""What an RLBench demonstration holds: states, images, and the cameras that took them.

Conventions are RLBench's: poses are xyz and quaternion xyzw of the gripper's tip in the world, a
camera looks along its z axis with x to the left and y up, and its focal lengths are negative. Its
`Observation` is `FrameState` here, with the same attributes; `Demo` is called the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

CAMERAS = ("left_shoulder", "right_shoulder", "overhead", "wrist", "front")
"""Cameras of an episode, in RLBench's order."""
IMAGES = ("rgb", "depth", "mask")
"""Kinds of images that a camera leaves on disk."""
DISTURBED = "disturbed"
"""Entry of `FrameState.misc` of keyframes that were missed on purpose."""


class FrameState:
    """State of the arm and of the task in one frame; images live in files of their own.

    Args:
        values: attributes by name.

    Raises:
        TypeError: there is no attribute of that name.

    Attributes (None where not recorded):
        joint_velocities, joint_positions, joint_forces: (7,).
        gripper_open: 1.0 or 0.0.
        gripper_pose: (7,) xyz and quaternion xyzw of the tip in the world.
        gripper_matrix: (4, 4) of the same pose.
        gripper_joint_positions: (2,). gripper_touch_forces: (6,).
        task_low_dim_state: state of the task's objects, any length.
        ignore_collisions: bool; only in data of the PerAct fork.
        misc: camera matrices (`{camera}_camera_extrinsics`, ...) and whatever else was recorded.
    """

    RECORDED = (
        *("joint_velocities", "joint_positions", "joint_forces", "gripper_open", "gripper_pose"),
        *("gripper_matrix", "gripper_joint_positions", "gripper_touch_forces"),
        *("task_low_dim_state", "ignore_collisions"),
    )

    def __init__(self, **values: Any) -> None:
        for camera in CAMERAS:
            for kind in (*IMAGES, "point_cloud"):
                setattr(self, f"{camera}_{kind}", None)
        for name in self.RECORDED:
            setattr(self, name, None)
        self.misc: dict[str, Any] = {}
        if unknown := sorted(set(values) - set(vars(self))):
            raise TypeError(f"the state of a frame has no {unknown[0]!r}")
        vars(self).update(values)


def is_disturbed(state: FrameState) -> bool:
    """Whether a keyframe was missed on purpose (`data_gen/demos.py --recover`): the arm is where no
    policy should go, and what follows tells how to go on from there."""
    return bool(state.misc.get(DISTURBED, False))


class Demo:
    """A demonstration: the states of its frames, and the random state that its scene came from.

    Args:
        observations: states of its frames, in order.

    Attributes:
        random_seed: state tuple of `numpy.random.RandomState`, or None.
        variation_number: of the task; None where the file does not tell.
        keyframes: numbers of the frames that end an action, where somebody marked them; RLBench
            has no such attribute, and does not mind it.
    """

    # Of the class, because unpickled demonstrations are never initialised, and stock RLBench's
    # have no such attribute.
    random_seed: tuple | None = None
    variation_number: int | None = None
    keyframes: list[int] | None = None

    def __init__(
        self,
        observations: list[FrameState],
        random_seed: tuple | None = None,
        variation_number: int | None = None,
        keyframes: list[int] | None = None,
    ) -> None:
        self._observations = list(observations)
        self.random_seed = random_seed
        self.variation_number = variation_number
        if keyframes is not None:  # files of demonstrations without marks stay what they were
            self.keyframes = list(keyframes)

    def __len__(self) -> int:
        return len(self._observations)

    def __getitem__(self, index: int) -> FrameState:
        return self._observations[index]


@dataclass(frozen=True)
class FrameCamera:
    """A camera at one moment.

    Attributes:
        extrinsics: (4, 4), camera to world.
        intrinsics: (3, 3), in pixels; RLBench's focal lengths are negative. Positive ones are those
            of a camera whose pose has x to the right and y down.
        near, far: metres; what depth 0 and 1 of a file stand for.
        size: (width, height) in pixels, where it is told; RLBench leaves it to the principal point.
    """

    extrinsics: NDArray[np.float64]
    intrinsics: NDArray[np.float64]
    near: float
    far: float
    size: tuple[int, int] | None = None

    @classmethod
    def of(cls, state: FrameState, name: str) -> FrameCamera:
        """The camera of that name, as a frame's state describes it.

        Raises:
            KeyError: the state does not describe that camera.
        """
        parts = ("extrinsics", "intrinsics", "near", "far")
        missing = [p for p in parts if state.misc.get(f"{name}_camera_{p}") is None]
        if missing:
            raise KeyError(f"the state has no {name}_camera_{missing[0]}")
        extrinsics, intrinsics, near, far = (state.misc[f"{name}_camera_{part}"] for part in parts)
        size = state.misc.get(f"{name}_camera_size")
        size = None if size is None else (int(size[0]), int(size[1]))
        return cls(np.asarray(extrinsics), np.asarray(intrinsics), float(near), float(far), size)

    def to_misc(self, name: str) -> dict[str, Any]:
        """Entries of `FrameState.misc` that describe this camera under a name."""
        entries = {
            f"{name}_camera_extrinsics": np.asarray(self.extrinsics, np.float64),
            f"{name}_camera_intrinsics": np.asarray(self.intrinsics, np.float64),
            f"{name}_camera_near": float(self.near),
            f"{name}_camera_far": float(self.far),
        }
        return entries if self.size is None else {**entries, f"{name}_camera_size": self.size}


@dataclass
class CameraImages:
    """Images of one camera in one frame.

    Attributes:
        rgb: (H, W, 3) uint8.
        depth: (H, W) metres along the camera's z axis, float64.
        mask: (H, W) int32 object handles; None where nobody knows them.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float64]
    mask: NDArray[np.int32] | None


@dataclass
class Frame:
    """A moment as a simulator delivers it: state, and images by the names of their cameras."""

    state: FrameState
    images: dict[str, CameraImages] = field(default_factory=dict)
