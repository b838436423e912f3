"""Every line that a page has people type: its program exists and takes these arguments.

Programs are asked no further than their command line here: that takes a minute. `make pages` types
the lines and waits for what comes.
"""

import argparse
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from benchmarks.shared.page_lines import Line, pages, typed
from equigrasp.cli import main
from equigrasp.home import CONFIGS
from equigrasp.train import main_config

ROOT = Path(__file__).parents[2]
PAGES = pages(ROOT)
SHELLS = {"pip": "installs", ".": "is the shell's own", ".ci/run": "is all of this"}
"""First words of lines that are no program of ours, and why there is nothing to ask."""
ELSEWHERE = {"train model=glance": "the tutorial's model, which is not there yet"}
"""Lines that cannot be asked as they stand, and why."""


class Understood(BaseException):
    """A program has read its command line."""


@pytest.fixture
def ask(monkeypatch, tmp_path):
    """Has a program read words as its command line, and go no further."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    read = argparse.ArgumentParser.parse_args

    def ask(program, words):
        def parse_args(self, args=None, namespace=None):
            given = sys.argv[1:] if args is None else list(args)
            found = read(self, given, namespace)
            if given == words[len(words) - len(given) :]:  # not the first word of several
                raise Understood
            return found

        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
        with pytest.raises(Understood):
            program(words)

    return ask


def composed(words):
    """Training reads its command line with Hydra."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        assert compose(main_config(words), overrides=words)


def script(path):
    """A program that is started by its path."""

    def run(words):
        sys.argv = [str(path), *words]
        sys.path.insert(0, str(path.parent))
        runpy.run_path(str(path), run_name="__main__")

    return run


def module(name):
    """A program that is started by its name."""

    def run(words):
        sys.argv = [name, *words]
        sys.modules.pop(name, None)  # another test may have imported it
        runpy.run_module(name, run_name="__main__", alter_sys=True)

    return run


def understood(words, ask):
    """Whether the program of a line takes its words; an assertion says what is wrong."""
    name, *rest = words
    if name == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert rest[0] in targets
    elif name == "equigrasp" and rest[0] == "train":
        composed(rest[1:])
    elif name == "equigrasp":
        ask(lambda after: main([rest[0], *after]), rest[1:])
    elif rest[:2] == ["-m", "equigrasp.train"]:
        composed(rest[2:])
    elif rest[0] == "-m":
        ask(module(rest[1]), rest[2:])
    else:
        ask(script(ROOT / rest[0]), rest[1:])


def test_pages_have_lines_to_type():
    found = {page.name: len(typed(page, ROOT)) for page in PAGES}
    assert sum(found.values()) > 80
    assert {"README.md", "tasks.md", "hands.md", "planners.md", "pusht.md"} <= {
        name for name, count in found.items() if count
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_line_is_one_that_its_program_takes(page, ask):
    for line in typed(page, ROOT):
        if line.words[0] in SHELLS or any(text in line.command for text in ELSEWHERE):
            continue
        for command in line.commands(ROOT):
            try:
                understood(Line(line.page, command).words, ask)
            except (SystemExit, Exception) as error:
                raise AssertionError(f"{line.page}: {command}") from error


@pytest.mark.parametrize(
    "line",
    [
        "make nothing",
        "equigrasp plan --nosuch",
        "equigrasp data heap",
        "equigrasp train model=nosuch",
        "python -m equigrasp.train trainer.nosuch=1",
        "python -m data_gen pile --scenes few",
        "python sim/clutter_eval.py --scene heap",
        "python sim/nosuch.py",
    ],
)
def test_a_wrong_line_is_found(line, ask, capsys):
    with pytest.raises((SystemExit, Exception)):
        understood(shlex.split(line), ask)
