"""Keystep files of published policies (3D-LOTUS, Mini-Diffuser): LMDBs of msgpacked arrays.

    keysteps/TASK+VARIATION/             per key `episodeE`: images and clouds of the keyframes
    keysteps_bbox_pcd/voxel1cm/TASK+V/   the same keyframes as clouds of voxels

    python -m equigrasp.policy.episodes.keysteps TASK+VARIATION ...   # list what such folders hold

Needs the extra `equigrasp[keysteps]`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from equigrasp.optional import require, require_extra

_PLAIN_KINDS = set("biufcSU")
"""dtype kinds that are nothing but bytes; msgpack-numpy would unpickle the others."""


class KeystepEpisode(NamedTuple):
    """Keyframes of an episode.

    Attributes:
        task, variation, key: where it comes from.
        frames: (K,) index of each keyframe in the demonstration; the first is frame 0.
        actions: (K, 8) pose of the tip (xyz, quaternion xyzw) and whether the gripper is open, at
            each keyframe: the target at keyframe k is action k + 1.
        points: (K) clouds (n, 3) in metres, world.
        colours: (K) colours (n, 3) uint8 of these points.
        extras: everything else in the record (`bbox_info`, `pose_info`, `gripper_pose`, ...).
    """

    task: str
    variation: int
    key: str
    frames: list[int]
    actions: NDArray
    points: list[NDArray]
    colours: list[NDArray]
    extras: dict[str, Any]


class KeystepFile:
    """One LMDB of keysteps, open for reading. Use it as a context manager, or call `close`.

    Args:
        path: folder `TASK+VARIATION`.

    Raises:
        ImportError: lmdb or msgpack is not installed.
        FileNotFoundError: there is no such LMDB.
        ValueError: the folder's name does not tell task and variation.
    """

    def __init__(self, path: str | Path) -> None:
        lmdb = require("lmdb", "reading keystep files")
        require_extra("keysteps", "reading keystep files")
        self.path = Path(path)
        self.task, _, variation = self.path.name.rpartition("+")
        if not self.task or not variation.isdigit():
            raise ValueError(f"{self.path}: the name is not TASK+VARIATION")
        self.variation = int(variation)
        if not (self.path / "data.mdb").is_file():
            raise FileNotFoundError(f"{self.path} holds no data.mdb")
        self._database = lmdb.open(str(self.path), readonly=True, lock=False, create=False)

    def __enter__(self) -> KeystepFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        self._database.close()

    def __len__(self) -> int:
        return self._database.stat()["entries"]

    def keys(self) -> list[str]:
        """Names of the episodes, by number."""
        with self._database.begin() as transaction:
            found = [bytes(key).decode() for key in transaction.cursor().iternext(values=False)]
        return sorted(found, key=lambda key: (len(key), key))

    def read(self, key: str) -> KeystepEpisode:
        """One episode.

        Raises:
            KeyError: there is none of that name.
            ValueError: the record is torn or foreign.
        """
        with self._database.begin() as transaction:
            packed = transaction.get(key.encode())
        if packed is None:
            raise KeyError(f"{self.path} holds no {key!r}")
        try:
            record = unpack(packed)
            points, colours = _clouds(record)
            return KeystepEpisode(
                self.task,
                self.variation,
                key,
                [int(frame) for frame in record.pop("key_frameids")],
                np.asarray(record.pop("action")),
                points,
                colours,
                record,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{self.path}, {key}: torn or foreign record: {error}") from error

    def __iter__(self) -> Iterator[KeystepEpisode]:
        return (self.read(key) for key in self.keys())


def unpack(packed: bytes) -> Any:
    """Msgpack with arrays as the package msgpack-numpy writes them; objects are refused.

    Raises:
        ValueError: torn, or an array of objects, which only unpickling could restore.
    """
    msgpack = require("msgpack", "reading keystep files")
    try:
        return msgpack.unpackb(packed, object_hook=_array, strict_map_key=False)
    except msgpack.UnpackException as error:  # torn input comes as a ValueError already
        raise ValueError(f"no msgpack: {error}") from error


def _array(record: dict) -> Any:
    """The array or scalar that a map stands for, or the map itself."""
    values = {k.decode() if isinstance(k, bytes) else k: v for k, v in record.items()}
    if "nd" not in values:
        return record
    dtype = np.dtype(values["type"])
    if dtype.kind not in _PLAIN_KINDS:
        raise ValueError(f"an array of kind '{dtype.kind}'; only plain numbers and text are read")
    flat = np.frombuffer(values["data"], dtype)
    return flat.reshape(values["shape"]).copy() if values["nd"] else flat[0]


def _clouds(record: dict[str, Any]) -> tuple[list[NDArray], list[NDArray]]:
    """Points and colours of either kind of record."""
    if "xyz" in record:
        clouds, colours = record.pop("xyz"), record.pop("rgb")
    else:
        clouds, colours = record.pop("pc"), record.pop("rgb")
    return (
        [np.asarray(cloud).reshape(-1, 3) for cloud in clouds],
        [np.asarray(colour).reshape(-1, 3) for colour in colours],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: a line for every episode; returns the exit status."""
    parser = argparse.ArgumentParser(description="List what keystep files hold.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="TASK+VARIATION")
    options = parser.parse_args(arguments)
    try:
        for folder in options.folders:
            with KeystepFile(folder) as file:
                for episode in file:
                    counts = [len(points) for points in episode.points]
                    print(f"{folder.name} {episode.key}: keyframes {episode.frames}, ", end="")
                    print(f"points {counts}, also {', '.join(sorted(episode.extras)) or 'nothing'}")
    except (ImportError, FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
