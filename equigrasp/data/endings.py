"""How a program ends that is interrupted, or meets what a person can mend: in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable

from equigrasp.data.files import disk_fault
from equigrasp.interruption import interrupted


def ending(
    work: Callable[[], int], *told: type[Exception], begin: str = "error", status: int = 1
) -> int:
    """Exit status of a program that goes on where it was interrupted.

    Args:
        work: all that it does; returns its exit status.
        told: errors whose message is for a person, besides ValueError, ImportError and OSError.
        begin: before that message, which goes to stderr.
        status: after an error.
    """
    try:
        return work()
    except KeyboardInterrupt:
        return interrupted("the same command goes on from here")
    except (ValueError, ImportError, *told) as error:
        print(f"{begin}: {error}", file=sys.stderr)
    except OSError as error:
        print(f"{begin}: {disk_fault(error)}", file=sys.stderr)
    return status
