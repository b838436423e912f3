"""Nothing wrong in silence: every broken input of the table is refused by its sentence."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from broken_inputs import Case, all_cases, told

CASES = all_cases()


@pytest.mark.parametrize("name", CASES)
def test_broken_input_is_refused_by_its_sentence(name, tmp_path):
    assert told(CASES[name], tmp_path) == ""


def accept(folder):
    return 3


def fail(folder):
    raise KeyError("x")


def refuse(folder):
    raise ValueError("no such thing")


def decode(folder):
    return b"\xff".decode()


@pytest.mark.parametrize(
    ("run", "says", "verdict"),
    [
        (accept, "", "accepted: 3"),
        (fail, "", "raw KeyError"),
        (refuse, "another", "another sentence"),
        (refuse, "such", ""),
        (decode, "", "raw UnicodeDecodeError"),
    ],
)
def test_the_table_notices_what_is_not_refused(run, says, verdict, tmp_path):
    found = told(Case("x", run, says), tmp_path)
    assert found.startswith(verdict)
    assert bool(found) == bool(verdict)
