"""What is counted about the house, on houses small enough to count by hand."""

import ast
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import house
from shared import house_facts
from shared.floors import FLOORS
from shared.house_facts import facts, files_of_folder, listing_files, public, undocumented

ROOT = Path(__file__).parents[2]
SMALL = {
    "equigrasp/a.py": '"""A."""\nimport sim.b\n\n\ndef run():\n    """Run."""\n    return 1\n',
    "sim/b.py": "from equigrasp import a\n\n\ndef run():\n    return _run()\n\n\n"
    "def _run():\n    return 1\n",
    "tests/test_a.py": "\n" * 50,
}


def test_figures_of_a_small_house():
    found = facts(SMALL, ("equigrasp", "sim"))
    assert found["floors"] == 2
    assert found["circles"] == 1
    assert found["modules_in_circles"] == 2
    assert found["upward_imports"] == 1
    assert found["upward_imports_in_strings"] == 0
    assert found["public_definitions"] == 2
    assert found["docstring_percent"] == 50
    assert found["longest_file"] == 9
    assert found["longest_test_file"] == 50
    assert found["function_median"] == 2
    assert undocumented(SMALL) == ["sim/b.py:4 run"]


def test_climbs_in_strings_are_told():
    hidden = {**SMALL, "equigrasp/a.py": "RUN = 'sim.b:run'\n"}
    assert facts(hidden, ("equigrasp", "sim"))["upward_imports_in_strings"] == 1


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("KINDS = ('packed', 'pile')", True),
        ("HOME = {'packed': 1}\nif kind == 'pile':\n    pass", True),
        ("def f(kind='pile'):\n    pass", False),
        ("'''Scenes are packed or pile.'''", False),
    ],
)
def test_a_file_that_lists_two_peers_has_to_list_a_third(text, listed):
    files = {"sim/x.py": text, "tests/x.py": text, "sim/scene/kinds/pile.py": text}
    assert listing_files("scene_kind", files) == (["sim/x.py"] if listed else [])


def test_a_constant_of_the_only_hand_counts():
    files = {"sim/x.py": "from equigrasp.constants import MAX_WIDTH", "sim/y.py": "width = 1"}
    assert listing_files("hand", files) == ["sim/x.py"]


def test_what_is_public():
    tree = ast.parse(
        "class A:\n    def b(self): pass\n    def _c(self): pass\n    def __init__(self): pass\n"
        "class _D:\n    def e(self): pass\ndef f():\n    def g(): pass\nasync def h(): pass"
    )
    assert [node.name for node in public(tree)] == ["A", "b", "f", "h"]


def test_the_house_is_in_order():
    found = facts(files_of_folder(ROOT), FLOORS)
    assert found["circles"] == found["upward_imports"] == 0
    assert max(found["longest_file"], found["longest_test_file"]) <= 300
    for kind in house_facts.ADDITIONS:
        assert listing_files(kind, files_of_folder(ROOT)) == []
    assert undocumented(files_of_folder(ROOT)) == []


def test_before_comes_from_git_or_from_the_record(tmp_path, monkeypatch, capsys):
    house.main(["--quick", "--json", str(tmp_path / "found.json")])
    numbers = json.loads((tmp_path / "found.json").read_text())
    assert numbers["before_circles"] > numbers["after_circles"] == 0
    assert "| circles |" in capsys.readouterr().out

    monkeypatch.setattr(house, "ROOT", tmp_path)  # no repository there
    found, note = house.counted_before(None)
    assert found["circles"] == numbers["before_circles"]
    assert note.startswith("before: as recorded")
    monkeypatch.setattr(house, "RESULT", tmp_path / "none.json")
    assert house.counted_before("HEAD")[0] == {}
