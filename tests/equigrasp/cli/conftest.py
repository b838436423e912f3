"""Lines typed in an empty folder."""

import shlex
import sys

import pytest

from equigrasp.cli import main


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty folder, and what commands change in this process put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture
def typed(elsewhere):
    """Runs a line as printed in a help; its exit status."""

    def run(line):
        program, *arguments = shlex.split(line.split(";")[0])
        assert program == "equigrasp"
        return main(arguments)

    return run
