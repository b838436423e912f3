"""Imports read from sources: every way to write one, circles, and what is run when it is used."""

import pytest

from equigrasp.imports import (
    Import,
    Source,
    all_imports,
    circles,
    closure,
    imports_of,
    module_name,
    read_sources,
)

PACKAGE = {
    "house": Source("", is_package=True),
    "house.rooms": Source("", is_package=True),
    "house.rooms.kitchen": Source(""),
    "house.rooms.bath": Source(""),
    "house.door": Source(""),
    "scripts.shared": Source("", is_package=True),
    "scripts.shared.results": Source(""),
}


def found(text, name="house.door", **options):
    return [i[1:] for i in imports_of(name, Source(text, **options), PACKAGE)]


@pytest.mark.parametrize(
    ("text", "target", "how"),
    [
        ("import house.rooms.bath", "house.rooms.bath", "statement"),
        ("import house.rooms.bath as b", "house.rooms.bath", "statement"),
        ("from house.rooms import bath", "house.rooms.bath", "statement"),
        ("from house.rooms import SIZE", "house.rooms", "statement"),
        ("from house.rooms.bath import Tub", "house.rooms.bath", "statement"),
        ("from .rooms.bath import Tub", "house.rooms.bath", "statement"),
        ("from . import rooms", "house.rooms", "statement"),
        ("import_module('house.rooms.bath')", "house.rooms.bath", "string"),
        ("f = 'house.rooms.bath:fill'", "house.rooms.bath", "string"),
        ("call(['-m', 'house.rooms.bath'])", "house.rooms.bath", "string"),
    ],
)
def test_every_way_to_write_an_import_is_read(text, target, how):
    assert found(text) == [(target, 1, how)]


def test_imports_for_typing_are_told_apart():
    text = "if TYPE_CHECKING:\n    import house.rooms.bath\nimport house.rooms.kitchen"
    assert found(text) == [
        ("house.rooms.bath", 2, "typing"),
        ("house.rooms.kitchen", 3, "statement"),
    ]


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("import_module(f'house.rooms.{name}')", "string"),
        ("import house.rooms\nfound_classes(house.rooms, Room)", "discovery"),
        ("from house import rooms\ndiscovery.found_values(rooms, Room)", "discovery"),
        ("import house.rooms as r\nfound_classes(r, Room)", "discovery"),
    ],
)
def test_names_that_are_put_together_stand_for_the_whole_package(text, how):
    line = text.count("\n") + 1
    for room in ("bath", "kitchen"):
        assert (f"house.rooms.{room}", line, how) in found(text)


def test_a_package_that_looks_itself_through():
    text = "def rooms():\n    return found_values(sys.modules[__name__], Room)"
    targets = {target for target, _, _ in found(text, "house.rooms", is_package=True)}
    assert targets == {"house.rooms.bath", "house.rooms.kitchen"}


@pytest.mark.parametrize(
    "text", ["'''house.rooms.bath is nice'''", "import numpy", "x = 'house'", "f'.{x}'", "f'{x}'"]
)
def test_what_is_no_import_is_left_alone(text):
    assert found(text) == []


def test_scripts_import_what_lies_beside_them():
    assert found("from shared.results import finish", "scripts.compare") == [
        ("scripts.shared.results", 1, "statement")
    ]


def test_circles_through_any_kind_of_import():
    sources = {
        "a": Source("import b.x"),
        "b.x": Source("NEXT = 'c.y:run'"),
        "c.y": Source("def f():\n    import a"),
        "d": Source("import a"),
    }
    assert circles(all_imports(sources)) == [("a", "b.x", "c.y")]
    assert circles([Import("a", "b", 1, "statement"), Import("a", "c", 1, "statement")]) == []


def test_closure_follows_what_is_run_and_of_a_discovered_package_what_is_chosen():
    sources = {
        **PACKAGE,
        "house": Source("HOME = 'house.attic'", is_package=True),
        "house.attic": Source(""),
        "house.door": Source("import house.rooms\nfound_classes(house.rooms, Room)"),
        "house.rooms": Source("import house.tools", is_package=True),
        "house.tools": Source("if TYPE_CHECKING:\n    import house.attic"),
    }
    common = {"house", "house.door", "house.rooms", "house.tools"}
    rooms = {"house.rooms.bath", "house.rooms.kitchen"}
    assert closure(["house.door"], sources) == common | rooms
    chosen = closure(["house.door"], sources, ["house.rooms.bath"])
    assert chosen == common | {"house.rooms.bath"}
    assert closure(["house"], sources) == {"house", "house.attic"}
    with pytest.raises(KeyError):
        closure(["nowhere"], sources)


def test_modules_of_a_folder(tmp_path):
    (tmp_path / "p" / "q").mkdir(parents=True)
    for path, text in {"p/__init__.py": "", "p/q/m.py": "import p", "p/note.txt": ""}.items():
        (tmp_path / path).write_text(text)
    read = read_sources(tmp_path / "p", tmp_path)
    assert read == {"p": Source("", is_package=True), "p.q.m": Source("import p")}
    assert module_name("p/q/__init__.py") == "p.q"
