"""The child side of `sim.workers.run`: receive jobs over an inherited socket, run them, reply.

Started as `python -m sim.workers.process FD`. Only the standard library is imported before the
first message, so that the parent decides the module path and the number of threads.
"""

from __future__ import annotations

import ctypes
import faulthandler
import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sim.workers import uncounted

_PR_SET_PDEATHSIG = 1


def main(fd: int, parent: int) -> None:
    """Serve the connection `fd` until the parent closes it."""
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    connection = Connection(fd)
    try:
        function = _prepare(connection)
        if function is not None:
            uncounted.tell_with(lambda counts: connection.send({"counts": counts}))
            while (message := connection.recv()) is not None:
                _serve(connection, function, message)
    except (EOFError, ConnectionError):
        pass
    sys.stdout.flush()
    os._exit(0)  # C++ libraries crash in their exit handlers now and then; nothing is left to do


def resolve(name: str) -> Callable[..., Any]:
    """The callable that "module:callable" names.

    Raises:
        ValueError: if the name has not that form or the module lacks the attribute.
    """
    module, separator, attribute = name.partition(":")
    if not separator:
        raise ValueError(f"function '{name}' is not of the form 'module:callable'")
    try:
        return getattr(importlib.import_module(module), attribute)
    except AttributeError as error:
        raise ValueError(f"module '{module}' has no '{attribute}'") from error


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, even inside a C library.

    Only Linux can: elsewhere an orphan ends with its job, when it finds the connection closed.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        os._exit(0)


def _prepare(connection: Connection) -> Callable[..., Any] | None:
    """Import the job function; report success or the exception."""
    setup = connection.recv()
    sys.path[:] = setup["path"]
    try:
        function = resolve(setup["function"])
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(setup["threads"])
    except Exception:
        connection.send({"ready": False, "traceback": traceback.format_exc()})
        return None
    connection.send({"ready": True})
    return function


def _serve(connection: Connection, function: Callable[..., Any], kwargs: dict[str, Any]) -> None:
    os.ftruncate(2, 0)  # the log holds what the present job says
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        reply: dict[str, Any] = {"ok": True, "value": function(**kwargs)}
    except Exception as error:
        reply = _failure(error)
    reply["seconds"] = time.perf_counter() - wall
    reply["cpu_seconds"] = time.process_time() - cpu
    reply["rss"] = _resident_bytes()
    try:
        connection.send(reply)
    except (ConnectionError, EOFError):
        raise
    except Exception as error:  # the value cannot be sent
        connection.send({**reply, **_failure(error)})


def _failure(error: Exception) -> dict[str, Any]:
    kinds = [c.__name__ for c in type(error).__mro__]
    message = f"{type(error).__name__}: {error}"
    return {
        "ok": False,
        "value": None,
        "kinds": kinds,
        "message": message,
        "traceback": traceback.format_exc(),
    }


def _resident_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):  # not Linux: no limit by memory
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
