"""Files, folders and links that are whole or absent, whatever kills the writer."""

import json
import signal
import subprocess
import sys

import pytest

from equigrasp.data.files import (
    atomic_folder,
    atomic_path,
    link_atomically,
    write_atomically,
    write_json,
)

KILLED_WRITERS = {
    "atomic_path": "with atomic_path(path) as new: new.write_text('half'); kill()",
    "atomic_path in the rename": "os.replace = kill; write_atomically(path, 'new')",
    "write_json": "os.replace = kill; write_json(path, {'new': 1})",
    "write_atomically": "os.fsync = kill; write_atomically(path, 'new')",
}
PROLOGUE = """
import os, signal, sys
from equigrasp.data.files import *
def kill(*_): os.kill(os.getpid(), signal.SIGKILL)
path = sys.argv[1]
"""


def run_killed(code, path):
    finished = subprocess.run([sys.executable, "-c", PROLOGUE + code, str(path)], check=False)
    assert finished.returncode == -signal.SIGKILL


@pytest.mark.parametrize("code", KILLED_WRITERS.values(), ids=KILLED_WRITERS)
def test_a_kill_in_the_middle_leaves_the_old_file(code, tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    run_killed(code, path)
    assert path.read_text() == "old"
    left = [found.name for found in tmp_path.iterdir() if found != path]
    assert all(name.startswith(".file.") and name.endswith(".tmp") for name in left)


@pytest.mark.parametrize("moment", ["kill()", "os.rename = kill"])
def test_a_kill_in_the_middle_leaves_no_folder(moment, tmp_path):
    path = tmp_path / "folder"
    writer = f"with atomic_folder(path) as new: (new / 'a').write_text('half'); {moment}"
    run_killed(writer, path)
    assert not path.exists()
    with atomic_folder(path) as new:
        (new / "b").write_text("whole")
    assert [found.name for found in path.iterdir()] == ["b"]


def test_a_kill_in_the_middle_leaves_the_old_link(tmp_path):
    link_atomically(tmp_path / "last", "one")
    run_killed("os.replace = kill; link_atomically(path, 'two')", tmp_path / "last")
    assert (tmp_path / "last").readlink().name == "one"
    link_atomically(tmp_path / "last", "two")
    assert (tmp_path / "last").readlink().name == "two"


def half_written(unfinished):
    if not unfinished.is_dir():
        unfinished.write_text("half")
    raise RuntimeError


@pytest.mark.parametrize("context", [atomic_path, atomic_folder])
def test_an_error_leaves_nothing_but_the_old(context, tmp_path):
    path = tmp_path / "thing"
    if context is atomic_path:
        path.write_text("old")
    before = list(tmp_path.iterdir())
    with pytest.raises(RuntimeError), context(path) as unfinished:
        half_written(unfinished)
    assert list(tmp_path.iterdir()) == before


def test_an_existing_folder_is_not_replaced(tmp_path):
    with atomic_folder(tmp_path / "folder") as first:
        (first / "a").touch()
    with (
        pytest.raises(OSError, match="not empty"),
        atomic_folder(tmp_path / "folder", sync=False) as second,
    ):
        (second / "b").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "a"]


def test_text_bytes_and_json_round_trip_and_folders_are_made(tmp_path):
    for data in ("grüße\n", b"\x00\xff"):
        write_atomically(tmp_path / "deep" / "file", data)
        read = (tmp_path / "deep" / "file").read_bytes()
        assert read == (data.encode() if isinstance(data, str) else data)
    content = {"b": [1, 2], "a": "ü"}
    write_json(tmp_path / "x.json", content)
    assert json.loads((tmp_path / "x.json").read_text()) == content
    write_json(tmp_path / "y.json", content, indent=None, sort_keys=True)
    assert (tmp_path / "y.json").read_text() == '{"a": "\\u00fc", "b": [1, 2]}\n'
