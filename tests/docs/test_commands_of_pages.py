"""Every line that a page has people type: its program exists and takes these arguments.

Programs are asked no further than their command line. That they then do what they say is tested
where they are; README's and the tutorials' first lines are run in `test_three_commands.py`,
`test_wheel.py` and `test_examples_in_text.py`.
"""

import argparse
import os
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from equigrasp.cli import main
from equigrasp.home import CONFIGS
from equigrasp.train import main_config

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md")))
SHELLS = {"pip": "installs", ".": "is the shell's own", ".ci/run": "is all of this"}
"""First words of lines that are no program of ours, and why there is nothing to ask."""
ELSEWHERE = {
    "train model=glance": "the tutorial's model, which tests/test_additions.py adds and trains",
    "data_gen ...": "its arguments stand in the file that the line before names",
}
"""Lines that cannot be asked as they stand, and why."""
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


class Understood(BaseException):
    """A program has read its command line."""


def typed(page):
    """Lines of a page that are meant for a shell: of blocks without or with its language, and of
    indented ones."""
    text = page.read_text(encoding="utf-8")
    blocks = [code for kind, code in BLOCK.findall(text) if kind in ("", "sh")]
    blocks += re.findall(r"^    \S.*$", BLOCK.sub("\n", text), re.MULTILINE)
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        words = shlex.split(os.path.expandvars(line).rstrip("& "), comments=True)
        while words and (words[0] == "xvfb-run" or words[0] == "-a"):
            words = words[1:]
        if words and words[0] in ("python", "equigrasp", "make", *SHELLS):
            yield line.strip(), words


@pytest.fixture(scope="module", autouse=True)
def kind():
    """What pages write for any kind of scene."""
    before = os.environ.get("KIND")
    os.environ["KIND"] = "pile"
    yield
    os.environ.pop("KIND")
    if before is not None:
        os.environ["KIND"] = before


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
    found = {page.name: len([*typed(page)]) for page in PAGES}
    assert sum(found.values()) > 80
    assert {"README.md", "tasks.md", "hands.md", "planners.md", "pusht.md"} <= {
        name for name, count in found.items() if count
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_line_is_one_that_its_program_takes(page, ask, monkeypatch):
    for line, words in typed(page):
        if words[0] in SHELLS or any(text in " ".join(words) for text in ELSEWHERE):
            continue
        left_out = [i for i, word in enumerate(words) if word == "..." and words[i - 1][:2] != "--"]
        kept = [word for i, word in enumerate(words) if i not in left_out]
        try:
            understood(kept, ask)
        except (SystemExit, Exception) as error:
            raise AssertionError(f"{page.name}: {line}") from error


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
