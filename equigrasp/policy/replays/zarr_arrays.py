"""Arrays in the layout of Zarr, version 2: a folder with a JSON header and a file per chunk.

zarr itself changed its interface between versions and asks for numpy 2; the layout is a page long
(https://zarr-specs.readthedocs.io, storage specification 2). numcodecs, which zarr uses too, packs
and unpacks the chunks.
"""

from __future__ import annotations

import itertools
import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equigrasp.data.files import write_json
from equigrasp.optional import require
from equigrasp.policy.replays.replay import ReplayError

COMPRESSORS = ("blosc", "zstd", "lz4", "zlib", "gzip", "bz2")
"""That are read. numcodecs knows others, one of which unpickles."""
WRITTEN_WITH = {"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 1, "blocksize": 0}
MAX_BYTES = 8 << 30
"""Memory that one array may take; the published pictures take 0.7 GiB as bytes."""
Store = Path | zipfile.Path


def open_store(path: Path) -> Store:
    """A folder, or a zip file of one.

    Raises:
        ReplayError: it is neither, or no Zarr of version 2.
    """
    store: Store = path
    if path.suffix == ".zip":
        try:
            store = zipfile.Path(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise ReplayError(f"{path} cannot be read: {error}") from error
    if not (store / ".zgroup").is_file():
        raise ReplayError(f"{path} is no Zarr of version 2: it has no .zgroup")
    return store


def write_group(folder: Path) -> None:
    """Make a folder a group, which may hold arrays and groups."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / ".zgroup", {"zarr_format": 2})


def write_array(folder: Path, array: NDArray, rows: int) -> None:
    """Write an array, in chunks along its first axis.

    Args:
        folder: of the array.
        array: (N, ...) of numbers.
        rows: of a chunk.
    """
    codec = require("numcodecs", "writing Zarr").get_codec(WRITTEN_WITH)
    folder.mkdir(parents=True, exist_ok=True)
    header = {
        "zarr_format": 2,
        "shape": list(array.shape),
        "chunks": [rows, *array.shape[1:]],
        "dtype": array.dtype.str,
        "compressor": WRITTEN_WITH,
        "fill_value": 0,
        "order": "C",
        "filters": None,
    }
    write_json(folder / ".zarray", header)
    rest = ".0" * (array.ndim - 1)
    for number, start in enumerate(range(0, len(array), rows)):
        chunk = np.zeros((rows, *array.shape[1:]), array.dtype)  # the last one is filled up
        part = array[start : start + rows]
        chunk[: len(part)] = part
        (folder / f"{number}{rest}").write_bytes(codec.encode(chunk))


def read_array(
    store: Store, name: str, stop: int | None = None, *, as_bytes: bool = False
) -> NDArray:
    """Rows of an array.

    Args:
        store: see `open_store`.
        name: of the array, with its groups.
        stop: number of rows wanted; None for all.
        as_bytes: give numbers from 0 to 255 as uint8, whatever they are stored as.

    Raises:
        ReplayError: it is not there, torn, foreign or of objects; the message says which.
    """
    folder = store / name
    try:
        header = json.loads((folder / ".zarray").read_text(encoding="utf-8"))
        shape, chunks = _shapes(header, stop)
        dtype = np.dtype(header["dtype"])
        if dtype.kind not in "biuf" or header.get("filters") or header["order"] != "C":
            raise ValueError(f"dtype {dtype}, filters or order are not plain numbers, row by row")
        kept = np.dtype(np.uint8) if as_bytes else dtype
        if math.prod(shape) * kept.itemsize > MAX_BYTES:
            raise ValueError(f"it claims {math.prod(shape) * kept.itemsize} bytes")
        found = np.full(shape, header.get("fill_value") or 0, kept)
        separator = header.get("dimension_separator", ".")
        for place, window in _windows(shape, chunks):
            chunk = _chunk(folder / separator.join(map(str, place)), header, dtype, chunks)
            if chunk is not None:
                part = chunk[tuple(slice(w.stop - w.start) for w in window)]
                found[window] = part.clip(0, 255) if as_bytes else part
        return found
    except FileNotFoundError as error:
        raise ReplayError(f"{store} has no array '{name}'") from error
    except (ValueError, KeyError, TypeError, OSError, RuntimeError) as error:
        raise ReplayError(f"array '{name}' of {store} is torn or foreign: {error}") from error


def _shapes(header: dict[str, Any], stop: int | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape of what is wanted, and of a chunk."""
    shape, chunks = [int(n) for n in header["shape"]], tuple(int(n) for n in header["chunks"])
    if len(chunks) != len(shape) or not shape or min(chunks) < 1 or min(shape) < 0:
        raise ValueError(f"shape {shape} in chunks of {chunks}")
    shape[0] = shape[0] if stop is None else min(stop, shape[0])
    return tuple(shape), chunks


def _windows(
    shape: tuple[int, ...], chunks: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Places of chunks, and what of the array is in them."""
    counts = [range(-(-n // size)) for n, size in zip(shape, chunks, strict=True)]
    for place in itertools.product(*counts):
        parts = zip(place, shape, chunks, strict=True)
        yield place, tuple(slice(i * size, min((i + 1) * size, n)) for i, n, size in parts)


def _chunk(
    path: Store, header: dict[str, Any], dtype: np.dtype, chunks: tuple[int, ...]
) -> NDArray | None:
    """A chunk, None if it was not written, being all fill value."""
    if not path.is_file():
        return None
    packed, compressor = path.read_bytes(), header["compressor"]
    if compressor is not None:
        if compressor.get("id") not in COMPRESSORS:
            raise ValueError(f"compressor {compressor.get('id')!r}; known are {COMPRESSORS}")
        packed = require("numcodecs", "reading Zarr").get_codec(compressor).decode(packed)
    return np.frombuffer(packed, dtype).reshape(chunks)
