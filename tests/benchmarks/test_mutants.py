"""The lists of mutants fit the code, and the tool tells who lives, on a project small enough."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import mutants
from shared.mutant_list import QUICK, Mutant, misfits, mutated, read_mutants

ROOT = Path(__file__).parents[2]
SOURCE = (
    "def double(x):\n    return 2 * x\n\n\ndef count(n):\n    while n > 0:\n        n = n - 1\n"
)
TESTS = """
import pytest
from small import count, double

def test_double():
    assert double(3) == 6
    count(2)
"""
LIST = """
- file: equigrasp/small.py
  tests: [tests/test_small.py]
  mutants:
    - why: it is tripled
      old: "2 * x"
      new: "3 * x"
      quick: true
    - why: it is added, which nobody asks
      old: "n = n - 1"
      new: |-
        n = n - 1
                n = n - 0
      lives: the same number
    - why: it never ends
      old: "n > 0"
      new: "True"
      tests: [tests/test_small.py::test_double]
"""


@pytest.fixture
def project(tmp_path):
    """A source, its tests and their list."""
    for folder in ("equigrasp", "tests", "lists"):
        (tmp_path / folder).mkdir()
    (tmp_path / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\npythonpath = 'equigrasp'\n"
    )
    (tmp_path / "equigrasp" / "small.py").write_text(SOURCE)
    (tmp_path / "tests" / "test_small.py").write_text(TESTS)
    (tmp_path / "lists" / "small.yaml").write_text(LIST)
    return tmp_path


def test_every_mutant_applies_to_the_code_as_it_is():
    """Where the code has moved on, its mutants move with it."""
    found = read_mutants(mutants.LISTS)
    assert misfits(found, ROOT) == []
    assert len(found) >= 200
    assert sum(mutant.quick for mutant in found) == QUICK
    assert all(mutant.why for mutant in found)


def test_what_is_recorded_are_outcomes_of_the_listed_mutants():
    """Renewed by: python benchmarks/mutants.py --record"""
    recorded = json.loads(mutants.RESULT.read_text())["killed"]
    tried = [mutant for mutant in read_mutants(mutants.LISTS) if mutant.name in recorded]
    assert len(tried) >= 200
    assert mutants.figures(tried, recorded)["mutants_killed_share"] >= 0.95


def test_the_killed_the_living_and_the_endless_are_told_apart(project):
    found = read_mutants(project / "lists")
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    trials = mutants.outcomes(found, project, 2, preloaded=(), seconds=5)
    killed = {mutant.name: dead for mutant, dead in trials}
    assert [killed[mutant.name] for mutant in found] == [True, False, True]
    assert before == {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    numbers = mutants.figures(found, killed)
    assert numbers["mutants_killed_share"] == pytest.approx(2 / 3)
    assert (numbers["mutants_living"], numbers["mutants_living_with_reason"]) == (1, 1)
    text = mutants.report(found, killed)
    assert "| small | 2 | 3 |" in text
    assert "which nobody asks. the same number" in text
    assert "NO REASON" in mutants.report([replace(m, lives="") for m in found], killed)


def test_tests_run_without_a_mutant_first_and_once():
    one, two, three = (
        Mutant("g", "a.py", "x", str(n), "w", tests) for n, tests in enumerate(["ab", "b", "bc"])
    )
    runs = [
        (mutant and mutant.new, "".join(tests))
        for mutant, tests in mutants.planned([one, two, three])
    ]
    assert runs == [(None, "a"), (None, "b"), ("0", "ab"), ("1", "b"), (None, "c"), ("2", "bc")]


def test_tests_that_fail_by_themselves_kill_nobody(project):
    (project / "tests" / "test_small.py").write_text("def test_nothing():\n    assert False\n")
    first = read_mutants(project / "lists")[:1]
    with pytest.raises(RuntimeError, match="no mutant at all"):
        next(mutants.outcomes(first, project, 1, preloaded=(), seconds=5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"old": "3 * x"}, "0 times, not once; the code has moved on"),
        ({"old": "n"}, "times, not once"),
        ({"new": "2 *"}, "is no Python"),
        ({"new": "(2 * x)"}, "changes nothing"),
        ({"file": "equigrasp/gone.py"}, "0 times"),
        ({"tests": ("tests/test_gone.py::test_it",)}, "which is gone"),
    ],
)
def test_mutants_that_do_not_fit_are_named(project, change, message):
    mutant = replace(read_mutants(project / "lists")[0], **change)
    (found,) = misfits([mutant], project)
    assert message in found


def test_the_same_change_twice_and_unknown_entries_are_refused(project):
    first = read_mutants(project / "lists")[0]
    assert "twice" in misfits([first, first], project)[0]
    assert mutated(first, project) == SOURCE.replace("2 * x", "3 * x")
    (project / "lists" / "small.yaml").write_text(LIST.replace("lives:", "survives:"))
    with pytest.raises(ValueError, match=r"small\.yaml has an entry of .*survives"):
        read_mutants(project / "lists")


def test_names_follow_the_change_alone():
    one = Mutant("group", "a.py", "x", "y", "why", ("t",))
    assert one.name == replace(one, group="other", why="so", quick=True).name
    assert one.name != replace(one, new="z").name


def test_the_command_refuses_lists_that_do_not_fit(project):
    (project / "lists" / "small.yaml").write_text(LIST.replace("2 * x", "2 + x"))
    program = (
        "import sys, pathlib, mutants\n"
        "mutants.ROOT = pathlib.Path(sys.argv[1]); mutants.LISTS = mutants.ROOT / 'lists'\n"
        "sys.exit(mutants.main(['--quick']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(project)],
        capture_output=True,
        text=True,
        cwd=ROOT / "benchmarks",
    )
    assert done.returncode == 1, done.stderr
    assert "the code has moved on" in done.stdout


def test_a_file_without_mutants_is_told_which_have_some(capsys):
    assert mutants.main(["--only", "no/such.py"]) == 1
    said = capsys.readouterr().out
    assert "--only no/such.py: no file with mutants is called so; there are\n" in said
    assert read_mutants(mutants.LISTS)[0].file in said
