"""Takes in folders of PNGs with poses in JSON.

    RECORDINGS/cameras.json                  see `equigrasp.policy.recording.rig`; a task's or a
    RECORDINGS/TASK/TAKE/episode.json        take's folder may have one of its own
    RECORDINGS/TASK/TAKE/front_rgb/0.png     8 bits a channel; a file a frame
    RECORDINGS/TASK/TAKE/front_depth/0.png   16 bits, registered to the colours

`episode.json` tells what is asked for, and of every frame where the tip is and whether the gripper
is open:

    {"sentences": ["press the red button"],
     "keyframes": [14, 32],
     "frames": [{"pose": [x, y, z, qx, qy, qz, qw], "gripper_open": 1}, ...]}

Optional are "keyframes" (marked by hand: the frames that end an action), "variation" (a number),
and of a frame "joint_velocities", "camera_poses" ({"wrist": (4, 4) in the world}) and "images"
({"front": {"rgb": "a.png", "depth": "b.png"}}, where files are called otherwise).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from equigrasp.data.files import read_json
from equigrasp.input_files import read_image
from equigrasp.options import check_list, is_whole
from equigrasp.policy.recording.rig import CAMERAS_FILE, Look, Rig
from equigrasp.policy.recording.take import Moment, RecordingError, Take

EPISODE_FILE = "episode.json"


def find_takes(root: str | Path) -> list[Path]:
    """Folders of takes below RECORDINGS, by task and name.

    Raises:
        RecordingError: there is none.
    """
    paths = [path.parent for path in Path(root).glob(f"*/*/{EPISODE_FILE}")]
    found = [path for path in paths if not path.name.startswith(".")]  # unfinished ones
    if not found:
        raise RecordingError(
            f"{root} holds no recordings: give a folder with TASK/TAKE/{EPISODE_FILE} in it, or a "
            "LeRobot data set"
        )
    return sorted(found, key=lambda path: (path.parent.name, _natural(path.name)))


def read_take(folder: Path, *, widest: float | None = None) -> Take:
    """The take in a folder.

    Args:
        folder: with an `episode.json`.
        widest: opening of the gripper in metres, where it is recorded so.

    Raises:
        RecordingError: the folder does not hold what a take needs; the message names the file.
    """
    file = folder / EPISODE_FILE
    try:
        told = read_json(file)
        if not isinstance(told, dict) or not isinstance(told.get("frames"), list):
            raise ValueError(f'{file} holds no frames; give {{"sentences": ..., "frames": [...]}}')
        sentences = check_list(told.get("sentences"), f"{file}: sentences", words=True)
        if not sentences:
            raise ValueError(f"{file} has no sentence; say what is asked for")
        variation = told.get("variation", 0)
        if not is_whole(variation) or variation < 0:
            raise ValueError(f"{file}: variation is {variation}; give a whole number from 0 on")
        moments = [_moment(file, i, frame, widest) for i, frame in enumerate(told["frames"])]
        rig = Rig.load(_cameras_file(folder))
    except (ValueError, FileNotFoundError) as error:
        raise RecordingError(f"{folder.parent.name}/{folder.name}: {error}") from error

    def look(index: int) -> Mapping[str, Look]:
        named = told["frames"][index].get("images", {})
        if not isinstance(named, Mapping):
            raise ValueError(f'images are {named}; give {{"front": {{"rgb": ..., "depth": ...}}}}')
        return {name: _look(folder, name, index, named.get(name, {})) for name in rig.cameras}

    return Take(
        folder.name,
        folder.parent.name,
        sentences,
        rig,
        moments,
        look,
        told.get("keyframes"),
        variation,
    )


def image_name(camera: str, kind: str, index: int) -> str:
    """File of an image below its take's folder; `kind` is "rgb" or "depth"."""
    return f"{camera}_{kind}/{index}.png"


def _moment(file: Path, index: int, frame: Any, widest: float | None) -> Moment:
    if not isinstance(frame, dict) or not {"pose", "gripper_open"} <= set(frame):
        raise ValueError(
            f"{file}: frame {index} lacks pose or gripper_open; give "
            '{"pose": [x, y, z, qx, qy, qz, qw], "gripper_open": 1}'
        )
    opened = frame["gripper_open"]
    if widest is not None and isinstance(opened, int | float):
        opened = opened / widest
    poses = frame.get("camera_poses", {})
    return Moment(frame["pose"], opened, poses, frame.get("joint_velocities"))


def _cameras_file(folder: Path) -> Path:
    """The nearest `cameras.json`: of the take, of its task, of all."""
    places = [place / CAMERAS_FILE for place in (folder, folder.parent, folder.parents[1])]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise ValueError(f"there is no {CAMERAS_FILE}; put one into {folder.parents[1]}")
    return found


def _look(folder: Path, camera: str, index: int, named: Mapping[str, str]) -> Look:
    if not isinstance(named, Mapping):
        raise ValueError(
            f'images of camera \'{camera}\' are {named}; give {{"rgb": ..., "depth": ...}}'
        )
    files = {kind: named.get(kind, image_name(camera, kind, index)) for kind in ("rgb", "depth")}
    try:
        return read_image(folder / files["rgb"]), read_image(folder / files["depth"])
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(
            f"camera '{camera}': {error}; record the take again, or take the frame out of "
            f"{EPISODE_FILE}"
        ) from error


def _natural(name: str) -> tuple[Any, ...]:
    """take2 comes before take10."""
    head = name.rstrip("0123456789")
    return (head, int(name[len(head) :] or 0), name)
