"""How programs end that are interrupted or meet what a person can mend."""

import errno

import pytest

from equigrasp.data.endings import ending


class OwnError(RuntimeError):
    pass


def raising(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, "\ninterrupted; the same command goes on from here\n"),
        (ValueError("seed is -1"), 2, "mine: seed is -1\n"),
        (ImportError("no ray"), 2, "mine: no ray\n"),
        (OwnError("no worker"), 2, "mine: no worker\n"),
        (FileNotFoundError("no model at x"), 2, "mine: no model at x\n"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            2,
            "mine: [Errno 28] No space left on device; make room or choose another folder; what is "
            "done is kept, and the same command goes on\n",
        ),
    ],
)
def test_what_a_person_can_mend_is_one_line_and_a_status(error, status, said, capsys):
    assert ending(raising(error), OwnError, begin="mine", status=2) == status
    out, err = capsys.readouterr()
    assert (out, err) == ("", said)


def test_work_that_ends_by_itself_tells_its_own_status(capsys):
    assert [ending(lambda: 0), ending(lambda: 1)] == [0, 1]
    assert capsys.readouterr() == ("", "")


def test_faults_of_the_program_are_not_hidden():
    with pytest.raises(OwnError):
        ending(raising(OwnError("a bug")))
    with pytest.raises(AssertionError):
        ending(raising(AssertionError()), OwnError)
