"""Lines of pages are typed in their order, in a folder a page; none is forgotten, no rule idle."""

import argparse
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import pages as program
from shared.page_lines import Line, pages, typed
from shared.page_rules import RULES
from shared.page_runs import EXCUSED, FAILED, OK, Rules, Typist, without_make

ROOT = Path(__file__).parents[2]
OPTIONS = argparse.Namespace(workers=2, limit=60.0, keep=False)
WRITES = """
import sys
from pathlib import Path

for name in sys.argv[1:]:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    with open(name, "a") as file:
        file.write("+")
"""
STAYS = """
import http.server

server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
print(f"http://127.0.0.1:{server.server_port} answers; Ctrl-C ends it", flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    print("ended")
"""


@pytest.fixture
def house(tmp_path):
    """A repository of two programs, whose pages are written by a test."""
    root = tmp_path / "house"
    for folder in ("docs", "scripts"):
        (root / folder).mkdir(parents=True)
    (root / "scripts" / "write.py").write_text(WRITES)
    (root / "scripts" / "stay.py").write_text(STAYS)
    return root


@pytest.fixture
def ctrl_c():
    """Whoever starts the suite in the background has it ignore Ctrl-C, and all below it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def read(house, text, name="docs/page.md"):
    (house / name).write_text(text)
    return typed(house / name, house)


def outcomes(house, rules=None, **texts):
    book = [read(house, text, f"docs/{name}.md") for name, text in texts.items()]
    found = list(program.outcomes(book, house, rules or Rules(), OPTIONS))
    return {name: [o for o in found if o.line.page == f"docs/{name}.md"] for name in texts}


def test_lines_are_found_in_their_order_with_what_they_write(house):
    text = (
        "Do\n\n    make one     # first\n\nthen\n```sh\n"
        "python two.py --out data/a \\\n    --more 'b # c'   # writes runs/$KIND\n"
        "python three.py --out ... &\n```\n```python\npython = 4\n```\n```\nls\n"
        "xvfb-run -a equigrasp five ${KIND}\n```\n"
    )
    lines = read(house, text)
    assert [line.words for line in lines] == [
        ["make", "one"],
        ["python", "two.py", "--out", "data/a", "--more", "b # c"],
        ["python", "three.py", "--out", "..."],
        ["equigrasp", "five", "packed"],
    ]
    assert [line.written for line in lines] == [[], ["runs/packed", "data/a"], ["..."], []]
    assert [line.needs_repository for line in lines] == [True, True, True, False]
    assert lines[2].commands(house) == ["python three.py --out ..."]


def test_a_gap_is_filled_by_the_file_that_is_named(house):
    (house / "configs").mkdir()
    (house / "configs" / "packed.yaml").write_text(
        "# Made by:\n#   python -m make a \\\n#       --b\n#   python -m make c\n"
        "#   python -m train\nvalue: 1\n"
    )
    line = Line("docs/page.md", "python -m make $KIND ...   # see configs/$KIND.yaml")
    assert line.commands(house) == ["python -m make a  --b", "python -m make c"]
    with pytest.raises(ValueError, match="has a gap; name a file"):
        Line("docs/page.md", "python -m make ...").commands(house)


def test_lines_of_a_page_share_a_folder_and_pages_do_not(house):
    line = "    python scripts/write.py data/a"
    found = outcomes(house, one=f"{line}\n{line}\n", two=f"{line}   # writes data/b\n")
    assert [o.state for o in found["one"]] == [OK, OK]
    (two,) = found["two"]
    assert two.state == FAILED
    assert "there is no data/b" in two.told
    assert not (house / "data").exists()


def test_later_lines_use_what_earlier_ones_wrote(house):
    check = "    python -c \"assert open('data/a').read() == '+'\"\n"
    rules = Rules(smaller=[("write", "data/c")])
    found = outcomes(house, rules, page=f"    python scripts/write.py data/a\n{check}{check}")
    assert [o.state for o in found["page"]] == [OK, OK, OK]
    found = outcomes(house, rules, page=f"{check}    python scripts/write.py data/a\n{check}")
    assert [o.state for o in found["page"]] == [FAILED, OK, OK]
    assert "No such file" in found["page"][0].told
    assert "data/a')" in program.told(found["page"][0])


def test_pages_without_files_of_the_repository_are_read_elsewhere(house):
    found = outcomes(house, page="    python -c \"assert not __import__('os').listdir('.')\"\n")
    assert [o.state for o in found["page"]] == [OK]


def test_what_a_page_assumes_is_made_by_functions_and_lines(house):
    def own(desk):
        (desk.here / "own").write_text("")

    text = "    python -c \"open('own'); open('other')\"\n"
    made = {"docs/page.md": (own, "touch other")}
    assert [o.state for o in outcomes(house, Rules(inputs=made), page=text)["page"]] == [OK]
    made = {"docs/page.md": (own, "exit 3")}
    first, second = outcomes(house, Rules(inputs=made), page=text)["page"]
    assert (first.state, second.state) == (FAILED, FAILED)
    assert "exit status 3" in first.told
    made = {"docs/page.md": (lambda desk: desk.nothing,)}
    (only,) = outcomes(house, Rules(inputs=made), page=text)["page"]
    assert (only.state, "nothing" in only.told) == (FAILED, True)


@pytest.mark.usefixtures("ctrl_c")
def test_a_server_is_asked_and_ended(house):
    text = "    python scripts/stay.py\n    python scripts/write.py data/a\n"
    assert [o.state for o in outcomes(house, page=text)["page"]] == [OK, OK]
    (house / "scripts" / "stay.py").write_text(STAYS.replace("{server.server_port} ", "1 "))
    first, _ = outcomes(house, page=text)["page"]
    assert (first.state, "does not answer" in first.told) == (FAILED, True)


def test_a_line_that_does_not_end_is_ended(house, tmp_path):
    lines = read(house, "    python -c 'import time; time.sleep(99)'\n")
    (only,) = Typist(Rules(), house, seconds=1.0).page(lines, tmp_path / "scratch")
    assert (only.state, "more than 1 s" in only.told) == (FAILED, True)
    stopped = Typist(Rules(), house)
    stopped.stopped.set()
    assert list(stopped.page(lines, tmp_path / "other")) == []


def test_excuses_are_told_and_idle_rules_are_found(house):
    lines = read(house, "    pip install .\n    make one\n")
    rules = Rules([("make", "A=1")], [("^pip", "installs")], {"docs/page.md": ()})
    found = outcomes(house, rules, page="    pip install .\n")["page"]
    assert [(o.state, o.told) for o in found] == [(EXCUSED, "installs")]
    assert "(installs)" in program.told(found[0])
    assert rules.idle(lines, house) == []
    assert rules.idle(lines[:1], house) == ["make"]
    assert rules.idle(lines[1:], house) == ["^pip"]
    assert rules.idle([Line("README.md", x.text) for x in lines], house) == ["docs/page.md"]
    rules = Rules([("pip", "-q")], [("^pip", "installs")])
    assert rules.idle(lines, house) == ["pip"]  # only what is run can be made small


def test_our_rules_are_all_used_and_excuse_few():
    lines = [line for page in pages(ROOT) for line in typed(page, ROOT)]
    assert RULES.idle(lines, ROOT) == []
    excused = [line for line in lines if RULES.excuse(line) is not None]
    assert len(lines) - len(excused) >= 85
    assert len(excused) <= 13


def test_what_is_tested_elsewhere_is_there():
    for _, why in RULES.excused:
        for name in (word.strip(",:") for word in why.split()):
            assert "/" not in name or (ROOT / name).exists(), why


def test_counts_and_a_page_that_there_is_not(house, capsys):
    found = outcomes(house, page="    make none\n    python -c 'pass'\n")["page"]
    assert "2 lines: 1 ok, 1 FAILED, 0 not run; 1 s, 0 s of" in program.in_words(found, 1.0)
    assert program.figures(found, 1.0)["lines_failed"] == 1
    assert program.main(["--only", "docs/nosuch.md"]) == 1
    assert "docs/tasks.md" in capsys.readouterr().out


def test_what_make_was_given_is_not_given_on(house, monkeypatch):
    given = {"MAKEFLAGS": " -- ARGS=--record WORKERS=3", "MAKELEVEL": "1", "ARGS": "--record"}
    assert without_make({**given, "WORKERS": "3", "HOME": "/home"}) == {"HOME": "/home"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    found = outcomes(house, page="    python -c 'import os; assert \"ARGS\" not in os.environ'\n")
    assert found["page"][0].state == OK


def test_without_a_choice_every_page_with_lines_is_typed(monkeypatch, capsys):
    typed_pages = []

    def outcomes(book, *rest):
        typed_pages.extend(lines[0].page for lines in book)
        return [program.Outcome(lines[0], OK, "") for lines in book]

    monkeypatch.setattr(program, "outcomes", outcomes)
    assert program.main([]) == 0
    assert {"README.md", "docs/pusht.md", "docs/tutorials/your_objects.md"} <= set(typed_pages)
    assert typed_pages == [page for page in dict.fromkeys(typed_pages) if page]
    assert f"{len(typed_pages)} ok" in capsys.readouterr().out


def test_the_table_has_every_line_with_its_reason(house, tmp_path):
    rules = Rules(excused=[("^pip", "installs")])
    found = outcomes(house, rules, page="    pip install .\n    python -c 'pass'\n")["page"]
    program.record(tmp_path / "pages.json", found, 2.0)
    table = (tmp_path / "pages.md").read_text()
    assert "| `pip install .` | installs | 0.0 |" in table
    assert "2 lines: 1 ok, 0 FAILED, 1 not run" in table
