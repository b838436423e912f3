"""What LeRobot's data sets tell about themselves: features, counts, statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equigrasp.policy.replays.replay import Replay

FPS = 10
IMAGE = "observation.image"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
_STATISTICS_IMAGES = 500
"""Pictures that statistics are taken of."""


def features(replay: Replay) -> dict[str, Any]:
    """Columns of the frames by name, with type and shape."""

    def numbers(size: int, names: list[str] | None = None) -> dict[str, Any]:
        return {"dtype": "float32", "shape": [size], "names": names}

    shown: dict[str, Any] = {"observation.state": numbers(2, ["x", "y"])}
    if replay.block is not None:
        names = [f"{axis}{corner}" for corner in range(8) for axis in "xy"]
        shown["observation.environment_state"] = numbers(16, names)
    if replay.image is not None:
        shape = list(replay.image.shape[1:])
        shown[IMAGE] = {"dtype": "image", "shape": shape, "names": ["height", "width", "channels"]}
    shown["action"] = numbers(2, ["x", "y"])
    if replay.coverage is not None:
        shown["next.reward"] = numbers(1)
        shown["next.success"] = {"dtype": "bool", "shape": [1], "names": None}
    shown["next.done"] = {"dtype": "bool", "shape": [1], "names": None}
    shown["timestamp"] = numbers(1)
    whole = {"dtype": "int64", "shape": [1], "names": None}
    return shown | dict.fromkeys(("frame_index", "episode_index", "index", "task_index"), whole)


def info(replay: Replay, shown: dict[str, Any]) -> dict[str, Any]:
    """`meta/info.json`; every table is one file here, whatever its size."""
    count = len(replay.ends)
    return {
        "codebase_version": "v3.0",
        "robot_type": "pusht",
        "total_episodes": count,
        "total_frames": len(replay.action),
        "total_tasks": 1,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 500,
        "fps": FPS,
        "splits": {"train": f"0:{count}"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": None,
        "features": shown,
    }


def statistics(columns: dict[str, NDArray], image: NDArray | None) -> dict[str, Any]:
    """`meta/stats.json`: smallest, largest, mean, deviation and count by column; of pictures from 0
    to 1 and by channel, (3, 1, 1)."""
    found = {}
    for name, column in columns.items():
        rows = column.reshape(len(column), -1).astype(np.float64)
        found[name] = _summary(rows, [rows.shape[1]])
    if image is not None:
        some = image[:: max(1, len(image) // _STATISTICS_IMAGES)]
        found[IMAGE] = _summary(some.reshape(-1, 3) / 255.0, [3, 1, 1], len(some))
    return found


def _summary(rows: NDArray, shape: list[int], count: int | None = None) -> dict[str, Any]:
    parts = {"min": rows.min(0), "max": rows.max(0), "mean": rows.mean(0), "std": rows.std(0)}
    plain = {name: part.reshape(shape).tolist() for name, part in parts.items()}
    return {**plain, "count": [len(rows) if count is None else count]}
