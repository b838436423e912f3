"""Work in a worker that the time limit of its job does not count.

What is made once and kept for all jobs to come, such as the convex parts of an object, can take
longer than a job. It must not make those fail that happen to need it first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_tell: Callable[[bool], None] | None = None
_depth = 0


def tell_with(tell: Callable[[bool], None]) -> None:
    """Have a worker's parent told whether time counts from now on."""
    global _tell
    _tell = tell


@contextmanager
def uncounted() -> Iterator[None]:
    """Time inside does not count, up to `sim.workers.hired.UNCOUNTED_TIMEOUT`.

    It may be nested; outside workers it does nothing.
    """
    global _depth
    _depth += 1
    if _tell is not None and _depth == 1:
        _tell(False)
    try:
        yield
    finally:
        _depth -= 1
        if _tell is not None and _depth == 0:
            _tell(True)
