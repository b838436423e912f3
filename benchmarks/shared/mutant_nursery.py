"""A process that has imported what tests need, and forks one child for every run of them.

Importing torch and its company takes longer than most tests; here it happens once. The program
reads one JSON job per line from standard input, `{"id", "root", "tests", "seconds"}`, and writes
one JSON line for each that has ended, `{"id", "status"}`: pytest's exit status, or "hangs".
Nothing of the project itself is imported before a child, which finds it below its `root`.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

HANGS = "hangs"
PLUGINS = ("-p", "pytest_timeout", "-p", "_hypothesis_pytestplugin")
"""Of those that are installed, the ones that the tests need."""
PATIENCE = 20
"""Wall time of a run may be so many times its limit of CPU time: the machine may be busy."""


def serve(preloaded: list[str]) -> None:
    """Import, then fork for every line of standard input."""
    sys.path.pop(0)  # the folder of this file, whose names are not for others
    sys.dont_write_bytecode = True
    for name in preloaded:
        with suppress(ImportError):  # what is not installed, tests do without
            importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _supervise(json.loads(line))
            os._exit(0)


def _supervise(job: dict) -> None:
    """Run a job in a process of its own, and tell how it ended."""
    child = os.fork()
    if child == 0:
        _run(job)
    until = time.monotonic() + PATIENCE * job["seconds"]
    status: int | str = HANGS
    while time.monotonic() < until:
        ended, code = os.waitpid(child, os.WNOHANG)
        if ended:
            status = HANGS if os.WIFSIGNALED(code) else os.WEXITSTATUS(code)
            break
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # with whatever the tests have started
    told = json.dumps({"id": job["id"], "status": status}) + "\n"
    os.write(1, told.encode())


def _run(job: dict) -> None:
    """Tests of one tree, silently; never returns."""
    status = 3
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (job["seconds"], job["seconds"]))
        os.chdir(job["root"])
        log = os.open(Path(job["root"]) / "tests.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        sys.path.insert(0, job["root"])
        own = {"PYTHONPATH": job["root"], "PYTHONDONTWRITEBYTECODE": "1", "CI": "1"}
        own |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "HYPOTHESIS_PROFILE": "mutants"}
        os.environ.update(own)
        import pytest

        plain = "--assert=plain"  # nothing to rewrite, whatever is imported already
        options = ["-x", "-q", plain, "-p", "no:cacheprovider", "--rootdir", job["root"], *PLUGINS]
        status = int(pytest.main([*options, *job["tests"]]))
    except BaseException:  # of whatever kind: the log tells, and the process ends
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve(sys.argv[1:])
