"""Examples are run as a person would run them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run_example():
    """Runs `examples/NAME.py` with arguments; gives what it printed."""

    def run(name, *arguments):
        command = [sys.executable, "-W", "ignore", str(ROOT / "examples" / f"{name}.py")]
        finished = subprocess.run(
            [*command, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    return run
