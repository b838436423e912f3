"""A set-up of RGB-D cameras on a real robot, and frames of what it delivers.

`cameras.json` describes it, a camera an entry; its name is a word of your choice:

    {"front": {"width": 640, "height": 480, "fx": 615, "fy": 615, "cx": 320, "cy": 240,
               "depth_scale": 0.001, "T_world_camera": [[...], [...], [...], [0, 0, 0, 1]]},
     "wrist": {..., "T_tip_camera": [[...], [...], [...], [0, 0, 0, 1]]}}

Poses are those of OpenCV's camera frame (x right, y down, z forward), focal lengths are positive,
and depth is registered to colour. Intrinsics may have any form of `equigrasp.input_files`, with
the coefficients of a lens. A camera that neither stands still nor rides on the tip has no pose
here; every frame tells it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from equigrasp.data.files import read_json
from equigrasp.geometry.transforms import Matrix, check_rigid
from equigrasp.input_files import UNIT, camera_of, lens_of
from equigrasp.options import is_finite
from equigrasp.perception.camera import Intrinsics, valid_pixels, validate_depth
from equigrasp.perception.distortion import distorted, undistort
from equigrasp.perception.units import to_metres
from equigrasp.policy.episodes.checks import OPEN_FROM
from equigrasp.policy.episodes.frames import CameraImages, Frame, FrameCamera, FrameState
from equigrasp.policy.recording.motion import checked_poses, joint_speeds, opening, tip_pose

CAMERAS_FILE = "cameras.json"
FAR = 10.0
"""Metres; what is farther, and what has no reading, counts as that far: outside of every box."""
MOUNTS = ("T_world_camera", "T_tip_camera")
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""Names of cameras and of tasks."""
_TO_RLBENCH = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Its cameras have x to the left and y up, and negative focal lengths for it."""

Look = tuple[ArrayLike, ArrayLike]
"""Colours (H, W, 3) uint8 and depth (H, W) of one camera: metres, or whole numbers with a scale."""


@dataclass(frozen=True, eq=False)
class RigCamera:
    """A camera of a set-up.

    Attributes:
        intrinsics: with positive focal lengths.
        pose: (4, 4) of the camera in its mount's frame; None where every frame tells it.
        on_tip: whether the mount is the gripper's tip, and not the world.
        depth_scale: metres of one unit, where depth is in whole numbers.
        lens: OpenCV's coefficients, for a lens that bends lines.
    """

    intrinsics: Intrinsics
    pose: Matrix | None = None
    on_tip: bool = False
    depth_scale: float | None = None
    lens: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, values: Any) -> RigCamera:
        """From an entry of `cameras.json`.

        Raises:
            ValueError: no intrinsics, no pose where one belongs, or no scale.
        """
        intrinsics = camera_of(values)
        given = [name for name in MOUNTS if name in values]
        if len(given) > 1:
            raise ValueError(
                "it has both T_world_camera and T_tip_camera; give the one it hangs on"
            )
        pose = check_rigid(values[given[0]], given[0]) if given else None
        scale = values.get(UNIT)
        if scale is not None and not (is_finite(scale) and scale > 0):
            raise ValueError(f"{UNIT} is {scale}; give the metres of one unit, as 0.001")
        lens = lens_of(values)
        if lens is not None:
            distorted(np.zeros(1), np.zeros(1), lens)  # refuses coefficients that are none
        return cls(intrinsics, pose, MOUNTS[1] in given, scale, lens)

    def to_dict(self) -> dict[str, Any]:
        """An entry of `cameras.json`."""
        entry: dict[str, Any] = self.intrinsics.to_dict()
        if self.pose is not None:
            entry[MOUNTS[self.on_tip]] = np.asarray(self.pose).tolist()
        if self.depth_scale is not None:
            entry[UNIT] = self.depth_scale
        return entry if self.lens is None else {**entry, "D": np.asarray(self.lens).tolist()}

    def world_pose(self, tip: Matrix, told: ArrayLike | None = None) -> Matrix:
        """Pose (4, 4) in the world.

        Args:
            tip: (4, 4) of the gripper's tip in the world.
            told: by the frame, as for `tip_pose`; it counts more than `pose`.

        Raises:
            ValueError: nobody tells it, or it is no rigid transform.
        """
        if told is not None:
            return tip_pose(told, "its pose")
        if self.pose is None:
            raise ValueError(
                "nothing tells its pose; give T_world_camera or T_tip_camera in cameras.json, or "
                "a pose with every frame"
            )
        return tip @ self.pose if self.on_tip else self.pose

    def images(self, look: Look) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Colours (H, W, 3) and depth (H, W) in metres, 0 without reading, as a pinhole sees them.

        Raises:
            ValueError: another kind or size of images, or whole numbers without a scale.
        """
        rgb, depth = np.asarray(look[0]), np.asarray(look[1])
        if rgb.ndim != 3 or rgb.shape[2] not in (3, 4) or rgb.dtype != np.uint8:
            raise ValueError(
                f"colour has shape {rgb.shape} and type {rgb.dtype}; give (H, W, 3) of uint8, in "
                "the order red, green, blue"
            )
        if depth.ndim != 2 or depth.dtype.kind not in "iuf" or depth.dtype.itemsize < 2:
            raise ValueError(
                f"depth has shape {depth.shape} and type {depth.dtype}; give (H, W) of metres, or "
                "of whole numbers of 16 bits"
            )
        if depth.shape != rgb.shape[:2]:
            raise ValueError(
                f"depth has shape {depth.shape}, colour {rgb.shape[:2]}; register depth to colour "
                "(RealSense: align to the colour stream)"
            )
        if np.issubdtype(depth.dtype, np.integer):
            if self.depth_scale is None:
                raise ValueError(
                    f"depth holds whole numbers up to {depth.max()}; say what one of them is in "
                    f"metres: '{UNIT}' in cameras.json, 0.001 if they are millimetres"
                )
            depth = to_metres(depth, self.depth_scale)
        if self.lens is None:
            return rgb[..., :3], np.asarray(depth, np.float32)
        colours = [undistort(rgb[..., i], self.intrinsics, self.lens) for i in range(3)]
        return np.stack(colours, -1).astype(np.uint8), undistort(depth, self.intrinsics, self.lens)


class Rig:
    """Cameras by name.

    Args:
        cameras: of the set-up.

    Raises:
        ValueError: there is none, or a name is no word.
    """

    def __init__(self, cameras: Mapping[str, RigCamera]) -> None:
        self.cameras = dict(cameras)
        wrong = [name for name in self.cameras if not WORD.fullmatch(str(name))]
        if wrong or not self.cameras:
            raise ValueError(
                f"cameras are called {list(self.cameras)}; give at least one, each called by a "
                "word of letters, digits, - and _"
            )

    @classmethod
    def load(cls, path: str | Path) -> Rig:
        """From a file like `cameras.json`.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it describes no cameras; the message names the camera.
        """
        values = read_json(path)
        if not isinstance(values, dict):
            raise ValueError(f'{path} holds no cameras; give {{"front": {{"width": 640, ...}}}}')
        cameras = {}
        for name, entry in values.items():
            try:
                cameras[name] = RigCamera.of(entry)
            except ValueError as error:
                raise ValueError(f"{path}, camera '{name}': {error}") from error
        try:
            return cls(cameras)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """What `cameras.json` holds."""
        return {name: camera.to_dict() for name, camera in self.cameras.items()}

    def frame(
        self,
        looks: Mapping[str, Look],
        pose: ArrayLike,
        gripper_open: float,
        *,
        camera_poses: Mapping[str, ArrayLike] | None = None,
        joint_velocities: ArrayLike | None = None,
    ) -> Frame:
        """What the cameras see now, as `KeyframeAgent.act` and `write_episode` take it.

        Args:
            looks: colours and depth by camera, see `Look`; all cameras of the set-up.
            pose: of the gripper's tip in the world: (4, 4), or xyz and quaternion xyzw.
            gripper_open: share of its opening, 1 open and 0 closed; open from 0.9 on.
            camera_poses: in the world, of cameras that move; (4, 4), or xyz and quaternion xyzw.
            joint_velocities: rad/s, where they are known.

        Raises:
            ValueError: an image is missing or implausible, naming the camera; a pose is none.
        """
        tip = tip_pose(pose)
        if missing := sorted(set(self.cameras) - set(looks)):
            raise ValueError(f"there is no image of camera '{missing[0]}'; the set-up has it")
        told, images, misc = checked_poses(camera_poses), {}, {}
        for name, camera in self.cameras.items():
            try:
                images[name], seen = _taken(camera, looks[name], tip, told.get(name))
            except ValueError as error:
                raise ValueError(f"camera '{name}': {error}") from error
            misc |= seen.to_misc(name)
        quaternion = Rotation.from_matrix(tip[:3, :3]).as_quat()
        state = FrameState(
            gripper_open=float(opening(gripper_open) >= OPEN_FROM),
            gripper_pose=np.concatenate([tip[:3, 3], quaternion]),
            gripper_matrix=tip,
            joint_velocities=joint_speeds(joint_velocities),
            misc=misc,
        )
        return Frame(state, images)


def _taken(
    camera: RigCamera, look: Look, tip: Matrix, told: ArrayLike | None
) -> tuple[CameraImages, FrameCamera]:
    """Images of a camera in one moment, and the camera as RLBench describes it."""
    pose = camera.world_pose(tip, told)
    rgb, depth = camera.images(look)
    depth = validate_depth(depth, camera.intrinsics, pose)
    seen = valid_pixels(depth)
    if not seen.any():
        raise ValueError("depth has no reading at all; take the frame out, or record it again")
    metres = np.where(seen, np.minimum(depth, FAR), FAR).astype(np.float64)
    K = camera.intrinsics.K * [[-1, 1, 1], [1, -1, 1], [1, 1, 1]]
    size = (camera.intrinsics.width, camera.intrinsics.height)
    return CameraImages(rgb, metres, None), FrameCamera(pose @ _TO_RLBENCH, K, 0.0, FAR, size)
