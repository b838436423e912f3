"""What modules import, read from their sources: statements, and names hidden in strings.

Counted are `import` statements anywhere (in functions and under TYPE_CHECKING too), strings that
are the name of a module or "module:callable", f-strings that begin with a package
(f"sim.tasks.{name}"), and packages handed to `equigrasp.discovery`. Nothing is executed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

DISCOVERERS = ("found_classes", "found_values")
"""Functions of `equigrasp.discovery`: they import every module of the package they are given."""


class Import(NamedTuple):
    """One module's mention of another.

    Attributes:
        importer, target: names of modules; a package is its `__init__`.
        line: of the importer's source.
        how: "statement", "typing" (under TYPE_CHECKING), "string", or "discovery" (one of all the
            modules of a package).
    """

    importer: str
    target: str
    line: int
    how: str


class Source(NamedTuple):
    """Text of a module, and whether it is the `__init__` of a package."""

    text: str
    is_package: bool = False


def module_name(path: str) -> str:
    """Name of the module in a file, from its path below the folder that is imported from."""
    parts = path.removesuffix(".py").split("/")
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_sources(folder: Path, below: Path) -> dict[str, Source]:
    """Modules in a folder and its folders, by name; names begin below `below`."""
    paths = sorted(folder.rglob("*.py"))
    return {
        module_name(path.relative_to(below).as_posix()): Source(
            path.read_text(encoding="utf-8"), path.name == "__init__.py"
        )
        for path in paths
    }


def imports_of(name: str, source: Source, known: Iterable[str]) -> list[Import]:
    """Imports of one module, of the modules in `known` only, in order of their lines.

    `from package import name` is an import of the module `package.name` if there is one, else of
    the package. That Python also runs the packages above a module does not count here.
    """
    return sorted(set(_Reader(name, source, frozenset(known)).read()), key=lambda i: i[2:])


def all_imports(sources: Mapping[str, Source]) -> list[Import]:
    """Imports of every module by every other."""
    return [found for name in sources for found in imports_of(name, sources[name], sources)]


def circles(imports: Iterable[Import]) -> list[tuple[str, ...]]:
    """Groups of modules each of which imports all others, directly or through others."""
    graph: dict[str, set[str]] = {}
    for found in imports:
        graph.setdefault(found.importer, set()).add(found.target)
    reach = {name: _reached(graph, name) for name in graph}
    groups = {
        tuple(sorted(other for other in reach[name] if name in reach.get(other, ())))
        for name in graph
        if name in reach[name]
    }
    return sorted(groups)


def closure(
    entries: Iterable[str], sources: Mapping[str, Source], chosen: Iterable[str] = ()
) -> set[str]:
    """Modules that are run when the entries are used: what they import, and so on.

    Imports for typing are not followed. Packages around a module are in the answer, with what they
    import by statements. Of a package that is handed to discovery and has modules in `chosen`,
    these alone are followed.

    Raises:
        KeyError: an entry is none of the sources.
    """
    chosen = frozenset(chosen)
    narrowed = {_package(name) for name in chosen}
    found: dict[str, bool] = {}  # name: whether it is imported itself, not only as a package
    waiting = [(name, True) for name in entries]
    while waiting:
        name, itself = waiting.pop()
        if found.get(name, False) >= itself and name in found:
            continue
        found[name] = itself
        waiting += [(parent, False) for parent in _parents(name) if parent in sources]
        for entry in imports_of(name, sources[name], sources):
            other = entry.target not in chosen and _package(entry.target) in narrowed
            if entry.how == "statement" or (
                itself and (entry.how == "string" or (entry.how == "discovery" and not other))
            ):
                waiting.append((entry.target, True))
    return set(found)


def _reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph.get(name, ())
    return found


def _package(name: str) -> str:
    return name.rpartition(".")[0]


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


class _Reader:
    """Reads the imports of one module."""

    def __init__(self, name: str, source: Source, known: frozenset[str]) -> None:
        self.name, self.known = name, known
        self.package = name if source.is_package else _package(name)
        self.tree = ast.parse(source.text)
        self.typing = {
            id(inner)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
            for branch in node.body
            for inner in ast.walk(branch)
        }
        self.names: dict[str, str] = {}  # what a name in this module stands for, if a module

    def read(self) -> Iterator[Import]:
        nodes = list(ast.walk(self.tree))
        for node in nodes:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                how = "typing" if id(node) in self.typing else "statement"
                yield from self._found(self._statement(node), node, how)
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                name = node.value.partition(":")[0]
                if "." in name and (target := self._module(name)):
                    yield from self._found([target], node, "string")
            elif isinstance(node, ast.JoinedStr):
                yield from self._found(self._formatted(node), node, "string")
            elif isinstance(node, ast.Call) and node.args:
                yield from self._found(self._discovered(node), node, "discovery")

    def _found(self, targets: Iterable[str], node: ast.AST, how: str) -> Iterator[Import]:
        for target in targets:
            if target != self.name:
                yield Import(self.name, target, node.lineno, how)

    def _module(self, name: str) -> str | None:
        """The module of that name; scripts import what lies in their folder without naming it."""
        candidates = (name, f"{self.name.partition('.')[0]}.{name}")
        return next((each for each in candidates if each in self.known), None)

    def _resolve(self, name: str) -> str | None:
        """The module of a dotted name, or of the longest part of it that is one."""
        parts = name.split(".")
        starts = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
        return next(filter(None, map(self._module, starts)), None)

    def _statement(self, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if target := self._resolve(alias.name):
                    self.names[alias.asname or alias.name] = target
                    yield target
            return
        base = node.module or ""
        if node.level:
            above = self.package.split(".")
            base = ".".join([*above[: len(above) - node.level + 1], *filter(None, [base])])
        for alias in node.names:
            if target := self._resolve(f"{base}.{alias.name}"):
                self.names[alias.asname or alias.name] = target
                yield target

    def _formatted(self, node: ast.JoinedStr) -> list[str]:
        """Modules of the package with which an f-string begins."""
        first = node.values[0] if node.values else None
        if not isinstance(first, ast.Constant) or not str(first.value).endswith("."):
            return []
        package = str(first.value).removesuffix(".")
        return self._members(package) if package in self.known else []

    def _discovered(self, node: ast.Call) -> list[str]:
        if ast.unparse(node.func).rpartition(".")[2] not in DISCOVERERS:
            return []
        package = ast.unparse(node.args[0])
        if package == "sys.modules[__name__]":
            return self._members(self.name)
        return self._members(self.names.get(package, package))

    def _members(self, package: str) -> list[str]:
        return [name for name in self.known if _package(name) == package]
