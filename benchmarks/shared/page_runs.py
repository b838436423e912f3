"""Typing the lines of a page, one after another, as a reader would: in a folder of its own."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.page_lines import VARIABLES, Line

OK, FAILED, EXCUSED = "ok", "FAILED", "not run"
SIZE = "0.01"
"""EQUIGRASP_SIZE of the three commands."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
SECONDS = 1800.0
"""Longest time for a line: a hang, not a slow machine."""
TAIL = 4000
"""Characters of what a line printed that are shown if it fails."""
SERVES = re.compile(r"(http://\S+) .*; Ctrl-C ends it")
"""What programs say that stay until somebody ends them."""


@dataclass(frozen=True)
class Desk:
    """Where a page is tried out.

    Attributes:
        here: folder in which its lines are typed.
        clone: copy of the repository that they import; `here` itself if they name files of it.
        programs: folder of stand-ins for programs that the page assumes, before all others.
    """

    here: Path
    clone: Path
    programs: Path


Input = str | Callable[[Desk], None]
"""What a page assumes to be there: a line that makes it, or a function."""


@dataclass(frozen=True)
class Rules:
    """How lines are typed here.

    Attributes:
        smaller: (pattern, words): what is typed behind commands in which the pattern is found.
        excused: (pattern, reason): lines that are not run, why, and where they are tested.
        inputs: by page, what it assumes to be there.
        variables: of the environment.
    """

    smaller: Sequence[tuple[str, str]] = ()
    excused: Sequence[tuple[str, str]] = ()
    inputs: Mapping[str, Sequence[Input]] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)

    def excuse(self, line: Line) -> str | None:
        """Why a line is not run; None if it is."""
        return next((why for what, why in self.excused if re.search(what, line.command)), None)

    def typed(self, command: str) -> str:
        """What the shell is given for a command."""
        more = [words for pattern, words in self.smaller if re.search(pattern, command)]
        return " ".join([command, *more])

    def idle(self, lines: Iterable[Line], root: Path) -> list[str]:
        """Entries that no line uses.

        Args:
            lines: of all pages.
            root: of the repository.
        """
        lines = list(lines)
        run = [c for line in lines if self.excuse(line) is None for c in line.commands(root)]
        names = {line.page for line in lines}
        return [
            *(what for what, _ in self.smaller if not any(re.search(what, c) for c in run)),
            *(w for w, _ in self.excused if not any(re.search(w, x.command) for x in lines)),
            *(page for page in self.inputs if page not in names),
        ]


@dataclass(frozen=True)
class Outcome:
    """What came of a line.

    Attributes:
        line: as typed by a reader.
        state: OK, FAILED or EXCUSED.
        told: why it was not run, or what it printed before it failed.
        seconds: that passed.
        busy: seconds of processor time.
    """

    line: Line
    state: str
    told: str = ""
    seconds: float = 0.0
    busy: float = 0.0


class Typist:
    """Types lines, and can be stopped from another thread.

    Args:
        rules: how.
        sources: copy of the repository, which is copied once more for every page.
        seconds: longest time for a line.
    """

    def __init__(self, rules: Rules, sources: Path, seconds: float = SECONDS) -> None:
        self.rules, self.sources, self.seconds = rules, sources, seconds
        self.stopped = threading.Event()

    def page(self, lines: Sequence[Line], scratch: Path) -> Iterator[Outcome]:
        """Outcomes of all lines of a page, as they come.

        Args:
            lines: of one page, in their order.
            scratch: a folder that is not there yet.
        """
        if self.stopped.is_set():
            return
        clone = scratch / "clone"
        shutil.copytree(self.sources, clone, symlinks=True)
        here = clone if any(line.needs_repository for line in lines) else scratch / "here"
        desk = Desk(here, clone, scratch / "programs")
        for folder in (here, desk.programs):
            folder.mkdir(exist_ok=True)
        for made in self.rules.inputs.get(lines[0].page, ()):
            if callable(made):
                made(desk)
            elif (outcome := self._run(Line(lines[0].page, made), made, desk)).state != OK:
                yield outcome
        for line in lines:
            if self.stopped.is_set():
                return
            why = self.rules.excuse(line)
            if why is not None:
                yield Outcome(line, EXCUSED, why)
            else:
                commands = map(self.rules.typed, line.commands(clone))
                yield self._run(line, " && ".join(commands), desk)

    def _run(self, line: Line, command: str, desk: Desk) -> Outcome:
        started, log = time.perf_counter(), desk.programs / "said.txt"
        with open(log, "wb") as stream:
            process = subprocess.Popen(
                ["bash", "-c", command],
                cwd=desk.here,
                env=self._environment(desk),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        usage = None
        try:
            fault, usage = self._wait(process, log, started)
        finally:
            if usage is None:
                os.killpg(process.pid, signal.SIGKILL)
                usage = _ended(process, 0)
        missing = [name for name in line.written if not (desk.here / name).exists()]
        if not fault and missing:
            fault = f"it ended, but there is no {missing[0]}"
        told = f"$ {command}\n{_said(log)[-TAIL:]}\n{fault}" if fault else ""
        seconds, busy = time.perf_counter() - started, usage.ru_utime + usage.ru_stime
        return Outcome(line, FAILED if fault else OK, told, seconds, busy)

    def _wait(
        self, process: subprocess.Popen, log: Path, started: float
    ) -> tuple[str, resource.struct_rusage | None]:
        """Wait for the end of a line; what is wrong with it, or nothing, and what it used, None if
        it has not ended. A server is asked once, and ended with Ctrl-C."""
        asked = False
        while (usage := _ended(process, os.WNOHANG)) is None:
            if self.stopped.is_set():
                return "stopped", None
            if time.perf_counter() - started > self.seconds:
                return f"it takes more than {self.seconds:.0f} s", None
            if not asked and (served := SERVES.search(_said(log))):
                asked = True
                try:
                    urllib.request.urlopen(served[1], timeout=30).close()
                except OSError as error:
                    return f"{served[1]} does not answer: {error}", None
                os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.05)
        return f"exit status {process.returncode}" if process.returncode else "", usage

    def _environment(self, desk: Desk) -> dict[str, str]:
        places = [str(desk.programs), str(Path(sys.executable).parent), os.environ["PATH"]]
        return {
            **without_make(os.environ),
            **dict.fromkeys(THREADS, "1"),
            **VARIABLES,
            **self.rules.variables,
            "EQUIGRASP_SIZE": SIZE,
            "PATH": os.pathsep.join(places),
            "PYTHONPATH": str(desk.clone),
            "PYTHONUNBUFFERED": "1",
        }


def _ended(process: subprocess.Popen, how: int) -> resource.struct_rusage | None:
    """What a process and those below it used, None while it runs; `how` is of `os.wait4`."""
    pid, status, usage = os.wait4(process.pid, how)
    if not pid:
        return None
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage


def _said(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


def without_make(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment as a reader's shell has it, where `make` started this: without what it was
    given on its command line, ARGS for one, which programs below it would take for theirs.

    Args:
        environment: variables by name.
    """
    flags = environment.get("MAKEFLAGS", "")
    given = {word.partition("=")[0] for word in flags.split() if "=" in word}
    own = {"MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL"}
    return {name: value for name, value in environment.items() if name not in given | own}
