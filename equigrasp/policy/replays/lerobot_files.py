"""Episodes in the layout of LeRobot's data sets (v3.0), with pictures inside the tables.

    meta/info.json  meta/stats.json  meta/tasks.parquet
    meta/episodes/chunk-000/file-000.parquet   a row an episode
    data/chunk-000/file-000.parquet            a row a frame

The names of columns are those of `lerobot/pusht_image` and `lerobot/pusht_keypoints`. Tables of
v2.1, an episode a file, are read as well, and pictures in videos (`lerobot_videos.py`).
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equigrasp.data.files import atomic_folder, write_json
from equigrasp.policy.replays.lerobot_meta import EPISODES, FPS, IMAGE, features, info, statistics
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
from equigrasp.policy.replays.lerobot_videos import Videos, read_clip
from equigrasp.policy.replays.replay import Replay, ReplayError
from equigrasp.policy.replays.tee import COVERED, keypoints, pose_of

DATA = "data/chunk-000/file-000.parquet"
AGENT, CORNERS, ACTION = "observation.state", "observation.environment_state", "action"
REWARD = "next.reward"
TASK = "Push the T-shaped block onto the T-shaped target."


def write_lerobot(replay: Replay, path: Path) -> None:
    """Write episodes to a folder, whole or not at all.

    Args:
        replay: what it lacks is left out.
        path: of the folder, which is not there yet.
    """
    pa, pq = arrow()
    columns = frame_columns(replay)
    shown = features(replay)
    with atomic_folder(path) as unfinished:
        data, episodes, tasks = (
            unfinished / name for name in (DATA, EPISODES, "meta/tasks.parquet")
        )
        for target in (data, episodes):
            target.parent.mkdir(parents=True)
        with pq.ParquetWriter(data, schema(pa, shown)) as writer:
            for start, end in zip(replay.starts, replay.ends, strict=True):
                rows = {name: column[start:end] for name, column in columns.items()}
                writer.write_table(_table(pa, rows, shown, replay.image, start, end))
        pq.write_table(_episode_table(pa, replay), episodes)
        pq.write_table(_task_table(pa), tasks)
        write_json(unfinished / INFO, info(replay, shown))
        write_json(unfinished / "meta" / "stats.json", statistics(columns, replay.image))


def frame_columns(replay: Replay) -> dict[str, NDArray]:
    """Everything told of every frame, but its picture."""
    count, lengths = len(replay.action), replay.ends - replay.starts
    episode = np.searchsorted(replay.ends, np.arange(count), side="right")
    frame = np.arange(count) - replay.starts[episode]
    columns = {
        AGENT: replay.agent,
        ACTION: replay.action,
        EPISODE: episode,
        FRAME: frame,
        TIME: (frame / FPS).astype(np.float32),
        "next.done": frame + 1 == lengths[episode],
        "index": np.arange(count),
        "task_index": np.zeros(count, np.int64),
    }
    if replay.block is not None:
        columns[CORNERS] = keypoints(replay.block).astype(np.float32)
    if replay.coverage is not None:
        columns[REWARD] = np.clip(replay.coverage / COVERED, 0, 1).astype(np.float32)
        columns["next.success"] = replay.coverage > COVERED
    return columns


def schema(pa: Any, shown: dict[str, Any]) -> Any:
    """Arrow's schema of the frames, whose features are `shown`."""
    picture = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    kinds = {"float32": pa.float32(), "int64": pa.int64(), "bool": pa.bool_(), "image": picture}

    def kind(feature: dict[str, Any]) -> Any:
        plain, shape = kinds[feature["dtype"]], feature["shape"]
        return plain if feature["dtype"] == "image" or shape == [1] else pa.list_(plain, shape[0])

    return pa.schema([(name, kind(feature)) for name, feature in shown.items()])


def read_lerobot(path: Path, *, images: bool, episodes: int | None = None) -> Replay:
    """Episodes of a folder.

    Args:
        path: of the data set.
        images: whether pictures are wanted.
        episodes: the first so many; None for all.

    Raises:
        ImportError: pictures are wanted and lie in videos, and what reads these is missing.
        ReplayError: it is torn or foreign, or has no pictures though they are wanted.
    """
    shown = listed_features(path)
    kind = shown.get(IMAGE, {}).get("dtype") if images else None
    if images and kind not in ("image", "video"):
        raise ReplayError(
            f"{path} has no pictures called {IMAGE}; take a data set that has, such as "
            "lerobot/pusht_image, or train on the state (model.sees=state)"
        )
    videos = Videos(path, IMAGE) if kind == "video" else None
    wanted = [AGENT, ACTION, EPISODE, FRAME]
    wanted += [CORNERS] * (CORNERS in shown) + [REWARD] * (REWARD in shown)
    wanted += {"image": [IMAGE], "video": [TIME], None: []}[kind]
    rows: dict[str, list[NDArray]] = {}
    for table in tables(path, wanted):
        for name in table.column_names:
            column = table[name]
            rows.setdefault(name, []).append(
                np.stack([_picture(cell["bytes"]) for cell in column.to_pylist()])
                if name == IMAGE
                else numbers_of(column)
            )
    found = {name: np.concatenate(parts) for name, parts in rows.items()}
    order = np.lexsort([found[FRAME], found[EPISODE]])
    counts = np.unique(found[EPISODE], return_counts=True)[1][:episodes]
    ends = np.cumsum(counts, dtype=np.int64)
    order = order[: ends[-1]]
    taken = {name: column[order] for name, column in found.items()}
    if videos is not None:
        taken[IMAGE] = _from_videos(videos, taken)
    block, reward = taken.get(CORNERS), taken.get(REWARD)
    return Replay(
        taken[ACTION].astype(np.float32),
        taken[AGENT].astype(np.float32),
        None if block is None else pose_of(block).astype(np.float32),
        taken.get(IMAGE),
        None if reward is None else (COVERED * reward).astype(np.float32),
        ends,
    )


def _from_videos(videos: Videos, rows: dict[str, NDArray]) -> NDArray[np.uint8]:
    """Pictures of frames in the order of their episodes."""
    return np.stack(
        [
            picture
            for episode in np.unique(rows[EPISODE]).tolist()
            for picture in read_clip(videos.clip(episode), rows[TIME][rows[EPISODE] == episode])
        ]
    )


def _picture(packed: bytes) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(packed)) as image:
            return np.array(image.convert("RGB"))
    except (OSError, ValueError) as error:
        raise ReplayError(f"a picture cannot be read: {error}") from error


def _png(image: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    target = io.BytesIO()
    Image.fromarray(image).save(target, "PNG")
    return target.getvalue()


def _table(
    pa: Any,
    rows: dict[str, NDArray],
    shown: dict[str, Any],
    image: NDArray | None,
    start: int,
    end: int,
) -> Any:
    """The frames of an episode."""
    arrays = {name: column.tolist() for name, column in rows.items()}
    if image is not None:
        arrays[IMAGE] = [
            {"bytes": _png(image[i]), "path": f"frame-{i - start:06d}.png"}
            for i in range(start, end)
        ]
    return pa.table({name: arrays[name] for name in shown}, schema(pa, shown))


def _episode_table(pa: Any, replay: Replay) -> Any:
    """A row an episode: its length, and where its frames are."""
    count = len(replay.ends)
    zeros = np.zeros(count, np.int64)
    return pa.table(
        {
            "episode_index": np.arange(count),
            "tasks": [[TASK]] * count,
            "length": replay.ends - replay.starts,
            "data/chunk_index": zeros,
            "data/file_index": zeros,
            "dataset_from_index": replay.starts,
            "dataset_to_index": replay.ends,
            "meta/episodes/chunk_index": zeros,
            "meta/episodes/file_index": zeros,
        }
    )


def _task_table(pa: Any) -> Any:
    """The only task. LeRobot reads the table with pandas and looks tasks up by the index."""
    import json

    columns = [
        {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": plain}
        for name, kind, plain in (("task_index", "int64", "int64"), ("task", "unicode", "object"))
    ]
    note = {"index_columns": ["task"], "column_indexes": [], "columns": columns}
    table = pa.table({"task_index": np.zeros(1, np.int64), "task": [TASK]})
    return table.replace_schema_metadata({"pandas": json.dumps(note)})
