"""`data=auto`: train on the data sets that are there; where there are none, make a small one first.

The generator stands above this package and is run as a program of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from equigrasp.data.split import DataSetError, list_scenes
from equigrasp.home import PROGRAMS, typed
from equigrasp.interruption import INTERRUPTED

FOLDER = Path("data")
"""Where data sets lie, each in a folder that is called after its kind of scene."""


def data_at_hand(kinds: Sequence[str], folder: Path = FOLDER) -> list[Path]:
    """The data sets of some kinds that are there, or else the one that is made first."""
    return [folder / kind for kind in kinds if (folder / kind).is_dir()] or [folder / kinds[0]]


def name_at_hand(kinds: Sequence[str], folder: Path = FOLDER) -> str:
    """What the data sets at hand are called together, in names of runs."""
    found = data_at_hand(kinds, folder)
    return found[0].name if len(found) == 1 else "both"


def choose_data(kinds: Sequence[str], folder: Path = FOLDER) -> str:
    """See to it that the data sets at hand are there; a sentence on what was chosen.

    A set that has to be made takes its name when it is complete, so that an interruption leaves
    nothing that looks like a choice; the next call goes on with it.

    Args:
        kinds: of scenes, by name; the first is made where there are none.
        folder: where data sets lie.

    Raises:
        DataSetError: there are none, and none could be made.
        KeyboardInterrupt: the generator was stopped.
    """
    chosen = data_at_hand(kinds, folder)
    if not chosen[0].is_dir():
        _make_small_set(chosen[0], kinds)
        return (
            f"data=auto: the set made just now, {_counted(chosen[0])}. "
            f"A better one: `{typed(f'data_gen/{chosen[0].name}.py')} --scenes 3000`, "
            "then train again"
        )
    others = [str(folder / kind) for kind in kinds if folder / kind not in chosen]
    lacking = f"; there is no {' and no '.join(others)}" if others else ""
    return f"data=auto: {' and '.join(map(_counted, chosen))}{lacking}"


def _counted(directory: Path) -> str:
    return f"{directory} ({len(list_scenes(directory))} scenes)"


def _make_small_set(directory: Path, kinds: Sequence[str]) -> None:
    unfinished = directory.with_name(f"{directory.name}.part")
    sentence = (
        f"data=auto: there is no {' and no '.join(str(directory.parent / k) for k in kinds)}; "
        f"a small set of {directory.name} scenes is made first, in {directory}:"
    )
    print(sentence, flush=True)
    command = [sys.executable, "-m", "data_gen", directory.name, "--out", str(unfinished)]
    paths = os.pathsep.join([str(PROGRAMS), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths.strip(os.pathsep)}
    status = subprocess.run(command, check=False, env=environment).returncode
    if status == INTERRUPTED:
        raise KeyboardInterrupt
    if status:
        raise DataSetError(
            f"the small set could not be made (`{' '.join(command[1:])}` ended with status "
            f"{status}, see above); make one yourself, or point data.dirs at an existing data set"
        )
    os.replace(unfinished, directory)
