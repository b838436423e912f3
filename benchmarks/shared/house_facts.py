"""What can be counted about the house: circles, climbs, files to touch, docstrings, lengths."""

from __future__ import annotations

import ast
import functools
import io
import itertools
import statistics
import subprocess
import tarfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from equigrasp.imports import Source, all_imports, circles, module_name
from shared.floors import FOLDERS, upward

LIBRARY = ("equigrasp", "sim", "data_gen")
"""Where an addition may cost changes; benchmarks and examples compare particular things."""

HAND_CONSTANTS = (
    *("MAX_WIDTH", "FINGER_DEPTH", "TCP_FROM_HAND", "FINGER_HALF_X", "FINGER_THICKNESS"),
    *("PALM_HALF", "PALM_Z"),
)


class Addition(NamedTuple):
    """A kind of thing that people add.

    Attributes:
        peers: names of those that are there. A file that has two of them in its strings lists
            them, and would have to list the next one too.
        homes: their own files, which do not count.
        constants: names that stand for the only one there was; a file that reads one counts.
        own: files that an addition consists of in any case.
    """

    peers: tuple[str, ...]
    homes: tuple[str, ...]
    constants: tuple[str, ...] = ()
    own: int = 1


ADDITIONS = {
    "hand": Addition(("panda", "robotiq_2f85"), ("equigrasp/hand.py",), HAND_CONSTANTS),
    "scene_kind": Addition(("packed", "pile"), ("sim/scene/kinds/",)),
    "model": Addition(("vgn", "giga", "igd", "equigiga", "equiigd"), ("equigrasp/models/",), own=2),
    "policy": Addition(("mini_diffuser", "diffuser_actor"), ("equigrasp/policy/models/",), own=2),
    "task": Addition(("block_in_tray", "lid_on_jar", "sort_shape"), ("sim/tasks/",)),
    "planner": Addition(("antipodal", "oracle"), ("sim/clutter/planners/",)),
}
"""A model and a policy come with a YAML of their options."""


def files_of_folder(root: Path) -> dict[str, str]:
    """Python files of the project by path below `root`, tests included."""
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for folder in (*FOLDERS, "tests")
        for path in sorted((root / folder).rglob("*.py"))
    }


def files_of_revision(root: Path, revision: str) -> dict[str, str]:
    """Python files of a git revision, as `files_of_folder`.

    Raises:
        LookupError: no git, no repository, or no such revision.
    """
    command = ["git", "archive", "--format=tar", revision]
    try:
        found = subprocess.run(command, cwd=root, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise LookupError(f"git cannot read {revision}: {error}") from error
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        return {
            member.name: archive.extractfile(member).read().decode()
            for member in archive.getmembers()
            if member.name.endswith(".py") and member.name.split("/")[0] in (*FOLDERS, "tests")
        }


def facts(files: Mapping[str, str], floors: Iterable[str]) -> dict[str, float]:
    """Flat names to numbers; `floors` as in `benchmarks.shared.floors`."""
    sources = {
        module_name(path): Source(text, path.endswith("__init__.py"))
        for path, text in files.items()
        if not path.startswith("tests/")
    }
    imports, floors = all_imports(sources), tuple(floors)
    rings, climbs = circles(imports), upward(imports, sources, floors)
    texts = {path: files[path] for path in files if not path.startswith("tests/")}
    trees = [ast.parse(text) for text in texts.values()]
    documented = [bool(ast.get_docstring(node)) for tree in trees for node in public(tree)]
    return {
        "floors": len(floors),
        "circles": len(rings),
        "modules_in_circles": len({name for ring in rings for name in ring}),
        "upward_imports": len(climbs),
        "upward_imports_in_strings": sum(climb.how != "statement" for climb in climbs),
        **{f"files_to_add_a_{kind}": files_to_add(kind, files) for kind in ADDITIONS},
        "public_definitions": len(documented),
        "docstring_percent": 100 * sum(documented) / max(len(documented), 1),
        "longest_file": max(len(text.splitlines()) for text in texts.values()),
        "longest_test_file": max(
            (len(text.splitlines()) for path, text in files.items() if path not in texts), default=0
        ),
        "modules": len(texts),
        "module_median": statistics.median(len(text.splitlines()) for text in texts.values()),
        "function_median": statistics.median(
            [node.end_lineno - node.lineno + 1 for tree in trees for node in _functions(tree)]
            or [0]
        ),
    }


def files_to_add(kind: str, files: Mapping[str, str]) -> int:
    """Files that adding one more of a kind touches: its own, and those of `listing_files`."""
    return ADDITIONS[kind].own + len(listing_files(kind, files))


def listing_files(kind: str, files: Mapping[str, str]) -> list[str]:
    """Files of the library that would have to know one more of a kind; see `Addition`."""
    addition, found = ADDITIONS[kind], []
    for path, text in files.items():
        if path.split("/")[0] not in LIBRARY or path.startswith(addition.homes):
            continue
        words, names = _mentions(text)
        if len(words & set(addition.peers)) >= 2 or names & set(addition.constants):
            found.append(path)
    return found


@functools.cache
def _mentions(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Words in the strings of a module, and its names; every kind of addition asks for them."""
    tree = ast.parse(text)
    strings = (string.replace(":", ".").split(".") for string in _strings(tree))
    return frozenset(itertools.chain.from_iterable(strings)), frozenset(_names(tree))


def public(tree: ast.Module) -> Iterator[ast.AST]:
    """Public functions and classes of a module, and public methods of public classes."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if node.name.startswith("_"):
                continue
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (
                    method
                    for method in node.body
                    if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef))
                    and not method.name.startswith("_")
                )


def undocumented(files: Mapping[str, str]) -> list[str]:
    """ "path:line name" of every public definition without a docstring, tests aside."""
    return [
        f"{path}:{node.lineno} {node.name}"
        for path, text in files.items()
        if not path.startswith("tests/")
        for node in public(ast.parse(text))
        if not ast.get_docstring(node)
    ]


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _strings(tree: ast.AST) -> Iterator[str]:
    """Strings of a module that are no docstrings."""
    remarks = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if text and id(node) not in remarks:
            yield node.value


def _names(tree: ast.AST) -> Collection[str]:
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names}
    return found
