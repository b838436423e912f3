"""Files that are whole or absent, and zips of arrays with equal bytes for equal contents."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MAX_ARRAY_BYTES = 1 << 30
"""An array that claims to be larger is not one of ours, and is not read."""

_COMPRESSION_LEVEL = 6
_CONSTANT_TIME = (1980, 1, 1, 0, 0, 0)
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, RuntimeError),
    *(ArithmeticError, MemoryError, SyntaxError),
)
"""What zipfile, zlib and numpy raise when they meet damaged bytes."""


class ArrayFileError(ValueError):
    """A file of arrays is torn or foreign; the message says what was found."""


def write_atomically(path: str | Path, data: bytes) -> None:
    """Write a file under a temporary name beside `path`, flush it to disk, and rename it.

    A kill at any moment leaves the old file or the new one, and at worst a `.tmp` beside it.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself has to survive a power cut
    finally:
        os.close(folder)


def pack_arrays(arrays: Mapping[str, NDArray]) -> bytes:
    """A compressed `.npz` in the order given, without pickles and without time stamps."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.array(array, order="C"), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=_CONSTANT_TIME)
            info.create_system, info.external_attr = 3, 0o644 << 16  # else it names the platform
            archive.writestr(info, content.getvalue(), zipfile.ZIP_DEFLATED, _COMPRESSION_LEVEL)
    return target.getvalue()


def read_arrays(path: str | Path, names: Iterable[str] | None = None) -> dict[str, NDArray]:
    """Arrays of an `.npz`; all of them, or only the named ones (much quicker).

    Raises:
        ArrayFileError: if the file is torn, or lacks a named array.
        FileNotFoundError: if there is no such file.
    """
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                stored = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
                wanted = list(stored) if names is None else list(names)
                missing = [name for name in wanted if name not in stored]
                if missing:
                    raise ValueError(f"it has no array '{missing[0]}'")
                return {name: _read_array(archive, stored[name]) for name in wanted}
        except _DAMAGE as error:
            raise ArrayFileError(f"torn or foreign: {error}") from error


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray:
    """One `.npy` member; memory is taken for what is there, not for what a header claims."""
    if info.file_size > MAX_ARRAY_BYTES:
        raise ValueError(f"'{info.filename}' claims {info.file_size} bytes")
    content = io.BytesIO(archive.read(info))
    version = np.lib.format.read_magic(content)
    if version != (1, 0):
        raise ValueError(f"'{info.filename}' has npy version {version}")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(content)
    if dtype.hasobject or fortran:
        raise ValueError(f"'{info.filename}' is not a plain C-ordered array")
    return np.frombuffer(bytearray(content.read()), dtype=dtype).reshape(shape)
