"""Records demonstrations from a running robot, as folders that `read_take` reads."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.data.files import write_json
from equigrasp.options import check_list
from equigrasp.policy.episodes.image_files import png_bytes
from equigrasp.policy.recording.folders import EPISODE_FILE, image_name
from equigrasp.policy.recording.motion import opening, tip_pose
from equigrasp.policy.recording.rig import CAMERAS_FILE, WORD, Look, Rig

if TYPE_CHECKING:
    from typing_extensions import Self

MILLIMETRE = 0.001
"""Unit of stored depth, where the camera has none of its own."""


class Recorder:
    """One take, written as it comes. Use it as a context manager: an error drops the take.

        with Recorder("recordings", "press_button", ["press the red button"], rig) as recorder:
            while demonstrating:
                recorder.add({"front": (rgb, depth)}, pose, gripper_open)
                if key_pressed:
                    recorder.mark()

    Args:
        root: folder of recordings.
        task: name of the task.
        sentences: any of which asks for it.
        rig: the cameras.
        variation: number of the task's variation.

    Attributes:
        folder: of the take, once it is saved. A kill leaves a folder `.take.*.tmp` at worst.

    Raises:
        ValueError: no sentence, or a task that is not called by a word.
    """

    def __init__(
        self,
        root: str | Path,
        task: str,
        sentences: Sequence[str],
        rig: Rig,
        *,
        variation: int = 0,
    ) -> None:
        self.rig = rig
        self._told: dict[str, Any] = {
            "sentences": check_list(sentences, "sentences", words=True),
            "variation": variation,
            "frames": [],
        }
        if not self._told["sentences"]:
            raise ValueError("sentences is empty; say what is asked for")
        if not WORD.fullmatch(str(task)):
            raise ValueError(f"task is '{task}'; give a word of letters, digits, - and _")
        self.folder: Path | None = None
        self._unfinished = Path(root) / task / f".take.{uuid.uuid4().hex[:12]}.tmp"
        self._unfinished.mkdir(parents=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.save()
        else:
            shutil.rmtree(self._unfinished, ignore_errors=True)

    def add(
        self,
        looks: Mapping[str, Look],
        pose: ArrayLike,
        gripper_open: float,
        *,
        camera_poses: Mapping[str, ArrayLike] | None = None,
        joint_velocities: Sequence[float] | None = None,
    ) -> int:
        """Write a frame; its number. Arguments as for `Rig.frame`.

        Raises:
            ValueError: an image is missing or implausible, naming the camera; a pose is none.
        """
        motion = {"camera_poses": camera_poses, "joint_velocities": joint_velocities}
        self.rig.frame(looks, pose, gripper_open, **motion)  # refuses what could not be used
        index = len(self._told["frames"])
        for name, camera in self.rig.cameras.items():
            rgb, depth = (np.asarray(image) for image in looks[name])
            self._write(image_name(name, "rgb", index), png_bytes(rgb[..., :3]))
            units = _units(depth, camera.depth_scale or MILLIMETRE)
            self._write(image_name(name, "depth", index), png_bytes(units))
        frame = {"pose": tip_pose(pose).tolist(), "gripper_open": opening(gripper_open)}
        frame |= {name: _plain(value) for name, value in motion.items() if value is not None}
        self._told["frames"].append(frame)
        return index

    def mark(self) -> None:
        """Mark the frame that was added last as one that ends an action.

        Without any mark, gripper events and the end count.

        Raises:
            ValueError: there is none but the first.
        """
        last = len(self._told["frames"]) - 1
        if last < 1:
            raise ValueError("the first frame ends no action; add more before you mark one")
        marked = self._told.setdefault("keyframes", [])
        if last not in marked:
            marked.append(last)

    def save(self) -> Path:
        """Write the poses and give the take its name, the next number; its folder.

        Raises:
            ValueError: fewer than two frames were added.
        """
        if len(self._told["frames"]) < 2:
            shutil.rmtree(self._unfinished, ignore_errors=True)
            raise ValueError("a demonstration has at least two frames; nothing was saved")
        cameras = self.rig.to_dict()
        for entry in cameras.values():
            entry.setdefault("depth_scale", MILLIMETRE)
        write_json(self._unfinished / CAMERAS_FILE, cameras)
        write_json(self._unfinished / EPISODE_FILE, self._told, indent=None)
        above = self._unfinished.parent
        taken = [path.name.removeprefix("take") for path in above.glob("take*")]
        number = 1 + max((int(name) for name in taken if name.isdigit()), default=-1)
        self.folder = self._unfinished.rename(above / f"take{number}")
        return self.folder

    def _write(self, name: str, data: bytes) -> None:
        path = self._unfinished / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)


def _units(depth: NDArray, scale: float) -> NDArray[np.uint16]:
    """Depth (H, W) as whole numbers of 16 bits; 0 where there is no reading."""
    if np.issubdtype(depth.dtype, np.integer):
        return depth.astype(np.uint16)
    units = np.rint(np.nan_to_num(np.asarray(depth, np.float64), posinf=0.0, neginf=0.0) / scale)
    return np.where((units > 0) & (units < 2**16), units, 0).astype(np.uint16)


def _plain(value: Any) -> Any:
    """As JSON takes it."""
    if isinstance(value, Mapping):
        return {name: np.asarray(each).tolist() for name, each in value.items()}
    return np.asarray(value).tolist()
