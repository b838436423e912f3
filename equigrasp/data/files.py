"""Files and folders that are whole or absent; zips of arrays, equal bytes for equal contents."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import shutil
import uuid
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

MAX_ARRAY_BYTES = 1 << 30
"""An array that claims to be larger is not one of ours, and is not read."""

MAX_JSON_BYTES = 1 << 28
"""A JSON file that is larger is not one of ours, and is not read."""

_FULL, _CLOSED = "make room or choose another folder", "choose a folder that can be written to"
_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _FULL),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), _CLOSED),
}
_COMPRESSION_LEVEL = 6
_CONSTANT_TIME = (1980, 1, 1, 0, 0, 0)


class ArrayFileError(ValueError):
    """A file of arrays is torn or foreign; the message says what was found."""


def disk_fault(error: OSError) -> str:
    """One line for a person about a file that could not be read or written, and what to do."""
    remedy = _REMEDIES.get(error.errno or 0)
    kept = "; what is done is kept, and the same command goes on"
    return str(error) + (f"; {remedy}{kept}" if remedy else "")


@contextlib.contextmanager
def atomic_path(path: str | Path, *, sync: bool = True) -> Iterator[Path]:
    """A temporary path beside `path` for the block to write a file at; then it is renamed.

        with atomic_path("look.png") as unfinished:
            figure.savefig(unfinished, format="png")

    A kill at any moment leaves the old file or the new one, and at worst a `.tmp` beside it. An
    error in the block leaves the old file. The folder of `path` is made if need be.

    Args:
        path: of the file.
        sync: whether it has to survive a power cut; slow where there are many files.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        yield temporary
        if sync:
            _sync(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if sync:
        _sync(path.parent)  # the rename itself has to survive a power cut


@contextlib.contextmanager
def atomic_folder(path: str | Path, *, sync: bool = True) -> Iterator[Path]:
    """A temporary folder beside `path` for the block to fill; then it is renamed.

    Args:
        path: where the folder shall be; the folders above it are made if need be.
        sync: whether the files have to be on the disk before the rename, so that they survive a
            power cut; slow where there are many.

    Raises:
        OSError: there is a folder of that name already, and it is not empty.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    temporary.mkdir()
    try:
        yield temporary
        for written in (*temporary.rglob("*"), temporary) if sync else ():
            _sync(written)
        os.rename(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync(path.parent)


def write_atomically(path: str | Path, data: bytes | str) -> None:
    """Write bytes, or text as UTF-8, to a file whole or not at all; see `atomic_path`."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def write_json(
    path: str | Path, content: Any, *, indent: int | None = 1, sort_keys: bool = False
) -> None:
    """Write a JSON file whole or not at all; see `atomic_path`. It ends with a line break.

    Args:
        path: of the file.
        content: JSON-able.
        indent: spaces per level; None for a single line.
        sort_keys: whether equal contents have to give equal bytes.
    """
    write_atomically(path, json.dumps(content, indent=indent, sort_keys=sort_keys) + "\n")


def read_json(path: str | Path) -> Any:
    """What a JSON file holds; the counterpart of `write_json`.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is no JSON file, whatever it is instead; the message names it.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ValueError(f"it is larger than {MAX_JSON_BYTES >> 20} MiB")
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not JSON: it is not text in UTF-8 ({error.reason})") from error
    except RecursionError:
        raise ValueError(f"{path} is not JSON of ours: it is nested too deep") from None
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error


def write_tensors(tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Write tensors as safetensors.

    Raises:
        OSError: the file cannot be written, for instance because the disk is full.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(dict(tensors), path)
    except SafetensorError as error:
        found = re.search(r"os error (\d+)", str(error))  # its text alone tells the cause
        if not found:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1])), str(path)) from error


def link_atomically(link: str | Path, target: str) -> None:
    """Make or replace a symbolic link to `target`, a name relative to the link's folder."""
    link = Path(link)
    temporary = _temporary(link)
    temporary.symlink_to(target)
    os.replace(temporary, link)
    _sync(link.parent)


def _temporary(path: Path) -> Path:
    """Hidden, and another one for every writer; `.*.tmp` is what a kill may leave behind."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
        return _arrays_in(file, names)


def unpack_arrays(data: bytes, most: int) -> dict[str, NDArray]:
    """Inverse of `pack_arrays`, for arrays of no more than `most` bytes altogether.

    Raises:
        ArrayFileError: torn, foreign, or of more bytes.
    """
    return _arrays_in(io.BytesIO(data), None, most)


def _arrays_in(
    file: BinaryIO, names: Iterable[str] | None, most: int | None = None
) -> dict[str, NDArray]:
    try:
        with zipfile.ZipFile(file) as archive:
            stored = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            wanted = list(stored) if names is None else list(names)
            missing = [name for name in wanted if name not in stored]
            if missing:
                raise ValueError(f"it has no array '{missing[0]}'")
            claimed = sum(stored[name].file_size for name in wanted)
            if most is not None and claimed > most:
                raise ValueError(f"its arrays claim {claimed} bytes; the limit is {most}")
            return {name: _read_array(archive, stored[name]) for name in wanted}
    except Exception as error:  # zipfile, zlib, numpy, ast, tokenize: damaged bytes raise any
        raise ArrayFileError(f"torn or foreign: {error}") from error


def is_torn(path: str | Path) -> bool:
    """Whether a file of arrays ends too early, by a quick look that reads none of them."""
    try:
        with zipfile.ZipFile(path) as archive:
            return not archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return True


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
