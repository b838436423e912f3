"""Where the programs lie that come with the package: `sim`, `data_gen`, and `configs`.

In the repository they stand at its top. A wheel carries them inside the package, so that it
installs no name but `equigrasp`; a program that imports them calls `open_programs` first, as the
command line does.
"""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).parent
PROGRAMS = _HERE / "programs" if (_HERE / "programs").is_dir() else _HERE.parent
"""Folder that holds `sim`, `data_gen` and `configs`."""
CONFIGS = PROGRAMS / "configs"
"""Configurations of trainings, hands and protocols."""


def open_programs() -> None:
    """Let this process, and the workers that it starts, import `sim` and `data_gen`."""
    if str(PROGRAMS) not in sys.path:
        sys.path.insert(0, str(PROGRAMS))
