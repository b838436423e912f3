"""One run at a time on a folder."""

import errno
import subprocess
import sys

import pytest

from equigrasp.data.files import disk_fault, write_tensors
from equigrasp.data.folder_lock import LOCK_NAME, FolderBusyError, hold_folder

HOLD = (
    "import sys, time; from equigrasp.data.folder_lock import hold_folder\n"
    "with hold_folder(sys.argv[1], 'wait'): print('held', flush=True); time.sleep(100_000)"
)


def test_a_second_run_is_refused_until_the_first_is_gone(tmp_path):
    folder = tmp_path / "new" / "run"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        (folder / ".a.json.99.tmp").touch()
        refused = pytest.raises(FolderBusyError, match=f"working on {folder}; wait for it or leave")
        with refused, hold_folder(folder, "leave"):
            pass
        assert (folder / ".a.json.99.tmp").exists()  # perhaps the holder is writing it
        holder.kill()
    for _ in range(2):
        with hold_folder(folder, "leave"):
            assert [path.name for path in folder.iterdir()] == [LOCK_NAME]


def test_leftovers_of_kills_are_removed_and_nothing_else(tmp_path):
    kept = ("a.tmp", ".hidden", "task/b.tmp", "task/.c.1.tmp/inside")
    gone = (".a.json.99.tmp", ".episode.5.tmp/image.png", ".tmpAb3Xyz")
    for name in (*kept, *gone):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with hold_folder(tmp_path, "wait", leftovers=(".*.tmp", ".tmp??????")):
        assert all((tmp_path / name).exists() for name in kept)
        assert not any((tmp_path / name).exists() for name in gone)
    with hold_folder(tmp_path, "wait", leftovers=("*/.*.tmp",)):
        assert not (tmp_path / "task" / ".c.1.tmp").exists()


def test_an_error_inside_frees_the_folder(tmp_path):
    with pytest.raises(KeyError), hold_folder(tmp_path, "wait"):
        raise KeyError
    with hold_folder(tmp_path, "wait"):
        pass


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "No space left on device: 'f'; make room or .* the same command goes on"),
        (errno.EROFS, "Read-only file system: 'f'; choose a folder that can be written"),
        (errno.EACCES, "Permission denied: 'f'; choose a folder that can be written"),
        (errno.EISDIR, "Is a directory: 'f'$"),
    ],
)
def test_faults_of_disks_are_told_with_a_remedy(number, said):
    import os

    with pytest.raises(OSError, match=said):
        raise OSError(disk_fault(OSError(number, os.strerror(number), "f")))


def test_tensors_that_cannot_be_written_are_an_error_of_the_system(tmp_path):
    import torch
    from safetensors.torch import load_file

    write_tensors({"a": torch.arange(3)}, tmp_path / "t")
    assert load_file(tmp_path / "t")["a"].tolist() == [0, 1, 2]
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_tensors({"a": torch.arange(3)}, tmp_path / "nowhere" / "t")
