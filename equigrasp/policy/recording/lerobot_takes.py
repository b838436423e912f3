"""Takes in a LeRobot data set (v2.1 or v3.0), whose pictures lie in its tables or in videos.

LeRobot has no words for camera poses, depth, or the pose of a tip: `Columns` says where they are.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equigrasp.policy.recording.rig import Look, Rig
from equigrasp.policy.recording.take import Moment, RecordingError, Take
from equigrasp.policy.replays.lerobot_tables import (
    EPISODE,
    FRAME,
    INFO,
    TIME,
    arrow,
    listed_features,
    numbers_of,
    tables,
)
from equigrasp.policy.replays.lerobot_videos import Videos, is_depth, read_clip
from equigrasp.policy.replays.replay import ReplayError

TASK = "task_index"


@dataclass(frozen=True)
class Columns:
    """Where a data set keeps what a take needs.

    Attributes:
        pose: column of the tip's pose in the world: xyz and quaternion xyzw, or 16 numbers row by
            row; a part of a column is `observation.state[0:7]`.
        gripper: column of its opening, in the same way.
        widest: opening in metres that counts as 1; None: it is a share already.
        rgb, depth: columns of pictures by camera; by default `observation.images.NAME` and
            `observation.images.NAME_depth`.
        camera_poses: columns of the poses of cameras that move.
    """

    pose: str = "observation.state[0:7]"
    gripper: str = "observation.state[7]"
    widest: float | None = None
    rgb: Mapping[str, str] = field(default_factory=dict)
    depth: Mapping[str, str] = field(default_factory=dict)
    camera_poses: Mapping[str, str] = field(default_factory=dict)

    def picture(self, camera: str, kind: str) -> str:
        """Column of a camera's pictures; `kind` is "rgb" or "depth"."""
        ending = "" if kind == "rgb" else "_depth"
        return getattr(self, kind).get(camera, f"observation.images.{camera}{ending}")


def is_lerobot(root: str | Path) -> bool:
    """Whether a folder is a LeRobot data set."""
    return (Path(root) / INFO).is_file()


def lerobot_takes(
    root: str | Path,
    rig: Rig,
    columns: Columns,
    *,
    marks: Mapping[int, Sequence[int]] | None = None,
    task: str | None = None,
) -> Iterator[Take]:
    """Takes of a data set, an episode each.

    Args:
        root: of the data set.
        rig: its cameras.
        columns: see `Columns`.
        marks: keyframes marked by hand, by number of the episode.
        task: name of the only task; None makes a task of every sentence.

    Raises:
        RecordingError: torn or foreign, or a column is missing.
    """
    root = Path(root)
    try:
        shown = listed_features(root)
        videos = {}
        for camera in rig.cameras:
            for kind in ("rgb", "depth"):
                name = columns.picture(camera, kind)
                _check_picture(root, shown, name, camera, kind)
                if shown[name].get("dtype") == "video":
                    videos[name] = Videos(root, name)
        sentences = _sentences(root)
        numbers = _numbers(root, shown, columns, [TIME] * bool(videos))
    except (ReplayError, FileNotFoundError) as error:
        raise RecordingError(str(error)) from error
    for episode in np.unique(numbers[EPISODE]).tolist():
        own = {name: rows[numbers[EPISODE] == episode] for name, rows in numbers.items()}
        number = int(own[TASK][0])
        if number not in sentences:
            raise RecordingError(
                f"{root}/meta lists no task {number}, which episode {episode} is of"
            )
        sentence = sentences[number]
        yield Take(
            f"episode_{episode:06d}",
            task or _slug(sentence),
            [sentence],
            rig,
            [_moment(own, row, columns) for row in range(len(own[FRAME]))],
            _Looks(root, rig, columns, episode, videos, own.get(TIME)),
            (marks or {}).get(episode),
        )


class _Looks:
    """Pictures of an episode by frame.

    Args:
        root: of the data set.
        rig: its cameras.
        columns: where their pictures are.
        episode: number of it.
        videos: the columns of pictures that lie in videos.
        seconds: of the episode's frames, where there are such columns.
    """

    def __init__(
        self,
        root: Path,
        rig: Rig,
        columns: Columns,
        episode: int,
        videos: Mapping[str, Videos],
        seconds: NDArray | None,
    ) -> None:
        self.root, self.episode, self.videos, self.seconds = root, episode, videos, seconds
        self.names = {
            camera: tuple(columns.picture(camera, kind) for kind in ("rgb", "depth"))
            for camera in rig.cameras
        }

    def __call__(self, index: int) -> Mapping[str, Look]:
        wanted = dict.fromkeys(name for pair in self.names.values() for name in pair)
        packed = tuple(name for name in wanted if name not in self.videos)
        row = _pictures(self.root, packed, self.episode)[index] if packed else {}
        return {
            camera: tuple(
                self._from_video(name, index)
                if name in self.videos
                else _decoded(row[name], f"camera '{camera}', {name}")
                for name in pair
            )
            for camera, pair in self.names.items()
        }

    def _from_video(self, name: str, index: int) -> NDArray:
        clip = self.videos[name].clip(self.episode)
        return next(read_clip(clip, self.seconds[index : index + 1]))


@lru_cache(maxsize=1)
def _pictures(root: Path, names: tuple[str, ...], episode: int) -> list[dict[str, Any]]:
    """Cells of an episode's pictures, still packed, in the order of its frames."""
    rows = [
        row
        for table in tables(root, [*names, EPISODE, FRAME], episode)
        for row in table.to_pylist()
    ]
    return sorted(rows, key=lambda row: row[FRAME])


def _decoded(cell: Any, what: str) -> NDArray:
    """A picture: packed as PNG or the like, or as lists of numbers."""
    if not isinstance(cell, dict):
        return np.asarray(cell)
    from PIL import Image

    if not cell.get("bytes"):
        raise ValueError(f"{what} is empty; its pictures have to lie in the tables")
    try:
        with Image.open(io.BytesIO(cell["bytes"])) as image:
            return np.asarray(image)
    except (OSError, ValueError) as error:
        raise ValueError(f"{what} cannot be read: {error}") from error


def _check_picture(root: Path, shown: dict[str, Any], name: str, camera: str, kind: str) -> None:
    if name not in shown:
        pictures = [n for n, each in shown.items() if len(each.get("shape", ())) >= 2]
        raise ReplayError(
            f"{root} has no column {name} for the {kind} of camera '{camera}'; it has pictures in "
            f"{', '.join(pictures) or 'no column'}: give --{kind} {camera}=COLUMN, or take the "
            "camera out of --cameras"
        )
    if kind == "depth" and shown[name].get("dtype") == "video" and not is_depth(shown[name]):
        raise ReplayError(
            f"{root} keeps {name} as a video that is not said to be of depth "
            "(video.is_depth_map): colours of depth tell no metres, and losses blur it; write it "
            "in 16 bits by FFV1, or as pictures (use_videos=False)"
        )


def _sentences(root: Path) -> dict[int, str]:
    """Sentences by number, of either version."""
    listed = root / "meta" / "tasks.jsonl"
    try:
        if listed.is_file():
            rows = [json.loads(line) for line in listed.read_text().splitlines() if line.strip()]
        else:
            listed = root / "meta" / "tasks.parquet"
            rows = arrow()[1].read_table(listed).to_pylist()
        return {int(row[TASK]): row.get("task") or row["__index_level_0__"] for row in rows}
    except FileNotFoundError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, OSError) as error:
        raise ReplayError(f"{listed} is torn, or lists no tasks: {error!r}") from error


def _numbers(
    root: Path, shown: dict[str, Any], columns: Columns, more: Sequence[str]
) -> dict[str, NDArray]:
    """Columns of numbers of all frames, those of `more` among them, by episode and frame."""
    wanted = dict.fromkeys([columns.pose, columns.gripper, *columns.camera_poses.values()])
    names = dict.fromkeys(_parts(spec)[0] for spec in wanted)
    if missing := [name for name in names if name not in shown]:
        raise ReplayError(
            f"{root} has no column {missing[0]}; it has {', '.join(shown)}: say with --pose and "
            "--gripper where the tip's pose in the world and the gripper's opening are. A data set "
            "that has angles of joints alone needs the robot's forward kinematics first"
        )
    parts: dict[str, list[NDArray]] = {}
    for table in tables(root, [*names, EPISODE, FRAME, TASK, *more]):
        for name in table.column_names:
            parts.setdefault(name, []).append(numbers_of(table[name]))
    rows = {name: np.concatenate(each) for name, each in parts.items()}
    order = np.lexsort([rows[FRAME], rows[EPISODE]])
    return {name: each[order] for name, each in rows.items()}


def _moment(rows: Mapping[str, NDArray], row: int, columns: Columns) -> Moment:
    opened = _cell(rows, row, columns.gripper)
    if columns.widest is not None:
        opened = opened / columns.widest
    poses = {name: _cell(rows, row, spec) for name, spec in columns.camera_poses.items()}
    return Moment(_cell(rows, row, columns.pose), opened.tolist(), poses)


def _cell(rows: Mapping[str, NDArray], row: int, spec: str) -> NDArray:
    name, chosen = _parts(spec)
    found = np.atleast_1d(rows[name][row])[chosen]
    return found[0] if len(found) == 1 else found


def _parts(spec: str) -> tuple[str, slice]:
    """Column, and which of its numbers, of `observation.state[0:7]`."""
    found = re.fullmatch(r"([^\[\]]+)(?:\[(\d+)(?::(\d+))?\])?", spec)
    if found is None:
        raise ReplayError(f"'{spec}' names no column; give COLUMN, COLUMN[7] or COLUMN[0:7]")
    name, first, end = found.groups()
    if first is None:
        return name, slice(None)
    return name, slice(int(first), int(end or int(first) + 1))


def _slug(sentence: str) -> str:
    """A sentence as the name of a folder."""
    return "_".join(re.findall(r"[a-z0-9]+", sentence.lower()))[:80] or "task"
