"""Kills at random moments, full and closed disks, and second runs: what programs make of them."""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from equigrasp.data.folder_lock import hold_folder
from shared.programs import Program, complete, differences, kill, start, wait

SAID = re.compile(r"No space left on device|Read-only file system|another run is working")
"""What the line of a refusal has to name."""
MOST_KILLS = 4
"""Of one run; it may end after them."""
SIZE = "64m"
"""Of the disk, after room was made."""


def kills(
    program: Program, scratch: Path, count: int, rng: random.Random
) -> Iterator[tuple[int, list[str]]]:
    """Kill runs of a program one to four times each, let them end, and compare what they left.

    The moments are spread over the time of a whole run: the first kill of a run hits any part of
    it, later ones what it takes up again. Every second kill hits the program alone, and its workers
    have to end by themselves. A run that ends before its kill counts too: it is compared.

    Args:
        program: that is killed.
        scratch: folder for its runs.
        count: of kills.
        rng: of the moments.

    Yields:
        for every run its kills, and what it lacks or has otherwise than an uninterrupted one.
    """
    log = scratch / f"{program.name}.log"
    expected, seconds = uninterrupted(program, scratch)
    folder, done = scratch / f"{program.name}_killed", 0
    while done < count:
        asked, hits, code = rng.randint(1, min(MOST_KILLS, count - done)), 0, None
        while code is None:
            pid = start(program, folder, log)
            code = wait(pid, rng.uniform(0, seconds) if hits < asked else float("inf"))
            if code is None:
                kill(pid, alone=(done + hits) % 2 == 1)
                hits += 1
        done += hits
        lost = differences(expected, program.digest(folder)) if code == 0 else [f"exit {code}"]
        shutil.rmtree(folder)
        yield hits, lost


def uninterrupted(program: Program, scratch: Path) -> tuple[dict[str, str], float]:
    """Digest of a whole run, made once below `scratch`, and the seconds that it took.

    Raises:
        RuntimeError: the program fails by itself.
    """
    folder, log, begin = scratch / program.name, scratch / f"{program.name}.log", time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    if code := complete(program, folder, log):
        raise RuntimeError(f"{program.name} ended with {code}: {log.read_text()[-2000:]}")
    return program.digest(folder), time.monotonic() - begin


def can_mount() -> bool:
    """Whether this process may mount small disks."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        scratch = Path("/tmp") / f"equigrasp-mount-{time.monotonic_ns()}"
        scratch.mkdir()
        try:
            with small_disk(scratch, 1 << 16):
                return True
        finally:
            scratch.rmdir()
    return False


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """A disk of so many bytes in memory, mounted on a folder."""
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def bad_disks(program: Program, scratch: Path, expected: dict[str, str]) -> dict[str, list[str]]:
    """What is wrong with a program on a full disk, then on a closed one, then with room again.

    Args:
        program: that runs.
        scratch: folder for the disk.
        expected: digest of an uninterrupted run.

    Returns:
        complaints about "full", "closed" and "after"; empty lists where all is well.
    """
    disk, log = scratch / f"{program.name}_disk", scratch / f"{program.name}.log"
    disk.mkdir(exist_ok=True)
    folder, found = disk / "out", {}
    with small_disk(disk, program.fits):
        found["full"] = refusal(complete(program, folder, log), log, "No space left")
        _mount("-o", f"remount,size={SIZE},ro", str(disk))
        found["closed"] = refusal(complete(program, folder, log), log, "Read-only file system")
        _mount("-o", f"remount,size={SIZE},rw", str(disk))
        code = complete(program, folder, log)
        found["after"] = (
            differences(expected, program.digest(folder)) if code == 0 else [f"exit {code}"]
        )
    return found


def second_run(program: Program, scratch: Path) -> list[str]:
    """What is wrong with a run on a folder that another one holds."""
    folder, log = scratch / f"{program.name}_held", scratch / f"{program.name}.log"
    with hold_folder(folder, "wait"):
        return refusal(complete(program, folder, log), log, "another run is working")


def refusal(code: int, log: Path, cause: str) -> list[str]:
    """What is wrong with how a program gave up: it has to fail with one line that names the cause.

    Args:
        code: its exit code.
        log: what it printed.
        cause: words that the line has to hold.
    """
    text = log.read_text(errors="replace")
    lines = [line for line in text.splitlines() if SAID.search(line)]
    complaints = [] if code not in (0, 70) else [f"exit code {code}"]
    if "Traceback" in text:
        complaints.append(f"a traceback: {text[-300:]}")
    if len(lines) != 1 or cause not in lines[0]:
        complaints.append(f"{len(lines)} lines about it: {lines[:2]}")
    return complaints
