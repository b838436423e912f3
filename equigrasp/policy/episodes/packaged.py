"""Packaged episodes of 3D Diffuser Actor (arXiv 2402.10885): compressed pickles of six lists.

    TASK+VARIATION/epE.dat     keyframes with images and points, targets, and paths between them

    python -m equigrasp.policy.episodes.packaged TASK+VARIATION/*.dat     # list what they hold

They hold PyTorch tensors, whose own loader would run whatever a file names. Here arrays are rebuilt
from plain numbers, and everything else is refused by name. Needs numcodecs (extra `pusht`).
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from equigrasp.optional import require
from equigrasp.policy.episodes.rlbench_pickle import HostilePickleError, read_plain

STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
"""Kinds of numbers that tensors hold, as PyTorch calls them."""
_LISTS = 6
_HEAD = 3
"""Pickles in front of a storage: a magic number, a version, and what machine wrote it."""


class PackagedEpisode(NamedTuple):
    """K keyframe observations of an episode, and where each of them leads.

    Attributes:
        task, variation, number: where it comes from.
        frames: (K,) numbers, counted on.
        rgb: (K, cameras, H, W, 3) uint8.
        points: (K, cameras, H, W, 3) metres in the world.
        current: (K, 8) pose of the tip (xyz, quaternion xyzw) and whether the gripper is open.
        targets: (K, 8) of the keyframe that follows.
        pixels: by observation and camera, where the tip appears (u, v).
        paths: K arrays (n, 8), from one keyframe to the next; none where they were not stored.
    """

    task: str
    variation: int
    number: int
    frames: list[int]
    rgb: NDArray[np.uint8]
    points: NDArray[np.floating]
    current: NDArray
    targets: NDArray
    pixels: list[dict[str, tuple[int, int]]]
    paths: list[NDArray]


def read_packaged(path: str | Path) -> PackagedEpisode:
    """A packaged episode.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: numcodecs is not installed.
        ValueError: its name does not tell what it is, or it is torn or foreign.
        HostilePickleError: it names something that no such file has a use for.
    """
    path = Path(path)
    task, _, variation = path.parent.name.rpartition("+")
    number = path.stem.removeprefix("ep")
    if not (task and variation.isdigit() and number.isdigit()):
        raise ValueError(f"{path}: the name is not TASK+VARIATION/epNUMBER.dat")
    codecs = require("numcodecs", "reading packaged episodes")
    try:
        data = codecs.Blosc().decode(path.read_bytes())
    except FileNotFoundError:
        raise
    except Exception as error:  # codecs have errors of its own kinds for torn bytes
        raise ValueError(f"{path}: torn, or not compressed by blosc: {error}") from error
    try:
        return unpack(data, task, int(variation), int(number))
    except HostilePickleError as error:
        raise HostilePickleError(f"{path}: {error}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def unpack(data: bytes, task: str, variation: int, number: int) -> PackagedEpisode:
    """The episode in decompressed bytes.

    Args:
        data: a pickle.
        task, variation, number: where it comes from.

    Raises:
        HostilePickleError: it names something that no such file has a use for.
        ValueError: it is torn, or does not hold what a packaged episode holds.
    """
    known = {
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        ("torch.storage", "_load_from_bytes"): _storage,
        ("collections", "OrderedDict"): dict,
    }
    found = read_plain(io.BytesIO(data), known)
    if not isinstance(found, list) or len(found) != _LISTS:
        raise ValueError("no packaged episode; it holds a list of six lists")
    frames, seen, targets, pixels, current, paths = found
    seen = np.asarray(seen)
    if seen.ndim != 6 or seen.shape[2:4] != (2, 3) or seen.dtype.kind != "f":
        raise ValueError(
            f"images have shape {seen.shape} and type {seen.dtype}; they are (keyframes, cameras, "
            "colours and points, 3, H, W) as real numbers"
        )
    count = len(seen)
    rows = {name: _actions(part) for name, part in (("targets", targets), ("current", current))}
    for name, found in {**rows, "frames": frames}.items():
        if len(found) != count:
            raise ValueError(f"{len(found)} {name} for {count} keyframes; it is torn")
    images = np.moveaxis(seen, 3, -1)
    colours = np.clip(np.rint((images[:, :, 0] + 1) * 127.5), 0, 255).astype(np.uint8)
    numbers = [int(frame) for frame in frames]
    made = (numbers, colours, images[:, :, 1], rows["current"], rows["targets"])
    return PackagedEpisode(
        task, variation, number, *made, list(pixels), [_actions(path) for path in paths]
    )


def _actions(parts: Any) -> NDArray:
    """Actions (n, 8) of arrays (1, 8), or of one array."""
    rows = [np.asarray(part) for part in parts]
    if wrong := [row.shape for row in rows if row.size % 8]:
        raise ValueError(f"an action of shape {wrong[0]}; they have 8 numbers")
    return np.concatenate([row.reshape(-1, 8) for row in rows]) if rows else np.zeros((0, 8))


def _storage(data: bytes) -> NDArray:
    """The numbers behind a tensor, which PyTorch keeps as pickles with raw bytes after them."""
    file = io.BytesIO(data)
    for _ in range(_HEAD):
        read_plain(file, {})
    names = {("torch", name): str(name) for name in STORAGES}
    (_, kind, key, _, count, *_) = read_plain(file, names, stored=tuple)
    if read_plain(file, {}) != [key] or kind not in STORAGES:
        raise ValueError("a tensor that is not stored by itself")
    raw = file.read()
    numbers = np.frombuffer(raw[8:], STORAGES[kind])
    if int.from_bytes(raw[:8], "little") != count or len(numbers) != count:
        raise ValueError(f"a tensor of {count} numbers has {len(numbers)}")
    return numbers


def _tensor(
    storage: NDArray, offset: int, size: Sequence[int], stride: Sequence[int], *rest: Any
) -> NDArray:
    """An array of numbers, as PyTorch lays out a tensor."""
    layout = [*size, *stride, offset]
    if len(size) != len(stride) or any(not isinstance(n, int) or n < 0 for n in layout):
        raise ValueError(f"a tensor of size {size} and stride {stride}")
    if 0 in size:
        return np.zeros(size, storage.dtype)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if last >= len(storage):
        raise ValueError(f"a tensor that reaches to {last} of {len(storage)} numbers")
    steps = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False).copy()


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: a line for every episode; returns the exit status."""
    parser = argparse.ArgumentParser(description="List what packaged episodes hold.")
    parser.add_argument("files", nargs="+", type=Path, metavar="TASK+VARIATION/epE.dat")
    options = parser.parse_args(arguments)
    try:
        for path in options.files:
            episode = read_packaged(path)
            keyframes, cameras, height, width, _ = episode.rgb.shape
            print(f"{episode.task}+{episode.variation} episode {episode.number}: ", end="")
            print(f"{keyframes} keyframes, {cameras} cameras of {width}x{height} pixels, ", end="")
            print(f"paths of {[len(path) for path in episode.paths]} frames")
    except (ImportError, FileNotFoundError, ValueError, HostilePickleError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
