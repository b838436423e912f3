"""How far a run is: nothing of short ones, a line now and then of long ones."""

import io

import pytest

from equigrasp import progress
from equigrasp.progress import EVERY_ELSEWHERE, QUIET, ProgressLine, counted, duration


class Clock:
    """A stand-in for the clock: each look at it is so many seconds after the one before."""

    def __init__(self, seconds):
        self.now, self.seconds = 0.0, seconds

    def monotonic(self):
        self.now += self.seconds
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def run(monkeypatch):
    """What is said of a run of so many things that take so many seconds each."""

    def run(count, seconds, stream=None):
        monkeypatch.setattr(progress, "time", Clock(seconds))
        stream = stream or io.StringIO()
        with ProgressLine("things", count, stream) as line:
            for _ in range(count):
                line.advance()
        return stream.getvalue()

    return run


def test_a_short_run_says_nothing(run):
    assert run(10, QUIET / 20) == ""


def test_a_long_run_says_how_far_it_is_and_ends_with_all(run):
    lines = run(100, 1.0).splitlines()
    assert lines[0] == f"{QUIET:.0f}/100 things, 0:01:35 left"
    assert lines[1].startswith(f"{QUIET + EVERY_ELSEWHERE:.0f}/100 things, ")
    assert lines[-1] == "100/100 things"
    assert len(lines) < 12


def test_a_terminal_has_one_line_that_is_left_at_the_end(run):
    said = run(20, 1.0, Terminal())
    assert said.count("\n") == 1
    assert said.endswith("20/20 things\033[K\r\n")
    assert run(3, 0.1, Terminal()) == ""


def test_what_is_counted_stays_what_it_is(capsys):
    assert [*counted(iter("abc"), "letters", 3)] == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_an_interruption_leaves_the_line(monkeypatch):
    monkeypatch.setattr(progress, "time", Clock(6.0))
    stream = Terminal()

    def interrupted():
        with ProgressLine("things", 5, stream) as line:
            line.advance()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stream.getvalue() == "1/5 things, 0:00:24 left\033[K\r\n"


def test_durations():
    assert [duration(s) for s in (0, 59.6, 3599, 36000)] == [
        *("0:00:00", "0:01:00", "0:59:59", "10:00:00")
    ]
