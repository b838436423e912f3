"""Tables of LeRobot's data sets: which columns there are, and the frames in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from equigrasp.data.files import read_json
from equigrasp.optional import require
from equigrasp.policy.replays.replay import ReplayError

INFO = "meta/info.json"
EPISODE, FRAME, TIME = "episode_index", "frame_index", "timestamp"


def arrow() -> tuple[Any, Any]:
    """The modules pyarrow and pyarrow.parquet."""
    purpose = "LeRobot's layout"
    return require("pyarrow", purpose), require("pyarrow.parquet", purpose)


def listed_features(path: Path) -> dict[str, Any]:
    """Columns of a data set by name, as it lists them.

    Raises:
        FileNotFoundError: it has no `meta/info.json`.
        ReplayError: that is no list of columns.
    """
    told = read_json(path / INFO)
    shown = told.get("features") if isinstance(told, dict) else None
    if not isinstance(shown, dict):
        raise ReplayError(f"{path / INFO} has no list of features; it is no data set")
    return shown


def tables(path: Path, columns: list[str], episode: int | None = None) -> Iterator[Any]:
    """The tables of frames, a file each.

    Args:
        path: of the data set.
        columns: that are wanted.
        episode: whose frames are wanted; None for all.

    Raises:
        ReplayError: there are none, or one is torn or lacks a column.
    """
    pa, pq = arrow()
    chosen = None if episode is None else [(EPISODE, "==", episode)]
    files = sorted((path / "data").glob("*/*.parquet"))
    if not files:
        raise ReplayError(f"{path} has no data/*/*.parquet")
    for file in files:
        try:
            yield pq.read_table(file, columns=columns, filters=chosen)
        except (pa.ArrowException, OSError, KeyError) as error:
            raise ReplayError(f"{file} is torn or foreign: {error}") from error


def numbers_of(column: Any) -> NDArray:
    """A column of numbers, or of lists of equally many, as (n,) or (n, k)."""
    flat = column.combine_chunks()
    if hasattr(flat, "flatten") and flat.type.num_fields:
        return flat.flatten().to_numpy(zero_copy_only=False).reshape(len(flat), -1)
    return flat.to_numpy(zero_copy_only=False)
