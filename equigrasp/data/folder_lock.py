"""One run at a time on a folder, and nothing left of those that were killed."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

LOCK_NAME = ".lock"
LEFTOVERS = ".*.tmp"
"""What a kill leaves of a file or folder that was being written (`equigrasp.data.files`)."""


class FolderBusyError(ValueError):
    """Another run is working on the folder."""


@contextlib.contextmanager
def hold_folder(
    directory: str | Path, remedy: str, *, leftovers: Sequence[str] = (LEFTOVERS,)
) -> Iterator[None]:
    """Hold a folder against a second run. A kill of the holder frees it.

    Args:
        directory: made if missing; gets the file `LOCK_NAME`.
        remedy: what the second run can do besides waiting, such as "choose another --out".
        leftovers: patterns below the folder of what killed runs leave; removed first.

    Raises:
        FolderBusyError: another process holds it.
        OSError: the folder cannot be written.
    """
    import fcntl

    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderBusyError(
                f"another run is working on {directory}; wait for it or {remedy}"
            ) from error
        for pattern in leftovers:
            for path in directory.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        yield
    finally:
        os.close(descriptor)
