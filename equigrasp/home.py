"""Where the programs lie that come with the package: `sim`, `data_gen`, and `configs`.

In the repository they stand at its top. A wheel carries them inside the package, so that it
installs no name but `equigrasp`; a program that imports them calls `open_programs` first, as the
command line does.
"""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).parent
IN_WHEEL = (_HERE / "programs").is_dir()
"""Whether the package was installed without the repository."""
PROGRAMS = _HERE / "programs" if IN_WHEEL else _HERE.parent
"""Folder that holds `sim`, `data_gen` and `configs`."""
CONFIGS = PROGRAMS / "configs"
"""Configurations of trainings, hands and protocols."""


SHORT = {
    "data_gen/demos.py": "demos",
    "data_gen/pusht.py": "pusht",
    "-m equigrasp.data.verify": "data verify",
    "-m sim.calibrate": "calibrate",
    "-m sim.objects": "objects",
}
"""Commands of `equigrasp` for programs of the repository; `data_gen/KIND.py` is `data KIND`."""


def typed(program: str, *, in_wheel: bool = IN_WHEEL) -> str:
    """How a program of the repository is called here, for messages that name it.

    Args:
        program: what follows `python` in the repository: "data_gen/pile.py", "-m sim.objects".
        in_wheel: whether there is no repository.
    """
    if not in_wheel:
        return f"python {program}"
    return "equigrasp " + SHORT.get(program, f"data {Path(program).stem}")


def open_programs() -> None:
    """Let this process, and the workers that it starts, import `sim` and `data_gen`."""
    if str(PROGRAMS) not in sys.path:
        sys.path.insert(0, str(PROGRAMS))
