"""The folder of a run goes with it; those of killed runs go with the next."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from equigrasp.data.folder_lock import LOCK_NAME
from sim.workers.scratch import SETTLED, scratch_folder

ROOT = Path(__file__).parents[3]
HELD = """
import time
from sim.workers.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "1.log").write_text("begun")
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.fixture
def other():
    """Another run: its process and its folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HELD],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with process:
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def grow_old(folder):
    then = time.time() - 2 * SETTLED
    os.utime(folder / LOCK_NAME, (then, then))


def test_a_folder_goes_with_its_run(temporary):
    with scratch_folder() as folder:
        assert folder.parent == temporary
        (folder / "1.log").write_text("begun")
    assert list(temporary.iterdir()) == []


def test_that_of_a_killed_run_goes_with_the_next(other):
    process, left = other
    process.send_signal(signal.SIGKILL)
    process.wait()
    with scratch_folder():
        assert left.exists()  # it may be one that is just begun
    grow_old(left)
    with scratch_folder() as folder:
        assert not left.exists()
        assert folder.exists()


def test_that_of_a_run_that_works_stays(other):
    grow_old(other[1])
    with scratch_folder():
        assert (other[1] / "1.log").read_text() == "begun"


def test_folders_of_others_stay(temporary):
    for name in ("equigrasp-workers-unlocked", "elsewhere"):
        (temporary / name).mkdir()
    with scratch_folder():
        pass
    assert len(list(temporary.iterdir())) == 2
