"""The temporary folder of a run of workers, and those of runs that were killed."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from equigrasp.data.folder_lock import LOCK_NAME, FolderBusyError, hold_folder

PREFIX = "equigrasp-workers-"
SETTLED = 60.0
"""Age (s) from which a folder that nobody holds is a dead run's, not one that is just begun."""


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that goes when the run ends; first those go whose runs were killed.

    Raises:
        OSError: the temporary folder cannot be written.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        _remove_if_left(folder)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, hold_folder(name, "begin again"):
        yield Path(name)


def _remove_if_left(folder: Path) -> None:
    """Remove a folder of ours that no run holds; other users' folders may not be ours to touch."""
    with contextlib.suppress(FolderBusyError, OSError):
        if time.time() - (folder / LOCK_NAME).stat().st_mtime > SETTLED:
            with hold_folder(folder, "leave it"):
                shutil.rmtree(folder)
