"""How far a run is, in one line: rewritten on a terminal, repeated now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TextIO, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Self

QUIET = 5.0
"""Seconds in which a run that is over says nothing."""
EVERY, EVERY_ELSEWHERE = 0.2, 10.0
"""Seconds between two lines on a terminal, and where the output is none."""
Item = TypeVar("Item")


class ProgressLine:
    """Counts to a total and says so on the standard error, once that takes more than `QUIET`.

    A context manager; `close` leaves the last line as it stands.

    Args:
        what: is counted, in the plural.
        total: to be counted to.
        stream: for people; the standard error unless told otherwise.

    Attributes:
        done: counted so far.
    """

    def __init__(self, what: str, total: int, stream: TextIO | None = None) -> None:
        self.what, self.total, self.done = what, total, 0
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._begin = time.monotonic()
        self._next = self._begin + QUIET
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def advance(self, count: int = 1) -> None:
        """Count on, and say so if it is time."""
        self.done += count
        now = time.monotonic()
        if now < self._next and not (self._open and self.done >= self.total):
            return
        self._next = now + (EVERY if self._terminal else EVERY_ELSEWHERE)
        self._open = True
        end = "\033[K\r" if self._terminal else "\n"
        print(self.line(now - self._begin), end=end, file=self._stream, flush=True)

    def line(self, seconds: float) -> str:
        """What there is to say after so many seconds."""
        told = f"{self.done}/{self.total} {self.what}"
        if 0 < self.done < self.total:
            told += f", {duration((self.total - self.done) * seconds / self.done)} left"
        return told

    def close(self) -> None:
        """Leave the line as it stands. Safe to call twice."""
        if self._open and self._terminal:
            print(file=self._stream)
        self._open = False


def counted(items: Iterable[Item], what: str, total: int) -> Iterator[Item]:
    """The same items, with a `ProgressLine` beside them.

    Args:
        items: to go through.
        what: they are, in the plural.
        total: number of them.
    """
    with ProgressLine(what, total) as progress:
        for item in items:
            yield item
            progress.advance()


def duration(seconds: float) -> str:
    """Hours, minutes and seconds: 0:02:30."""
    minutes, seconds = divmod(int(round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
