"""Lists of mutants: small wrong changes to the sources that some test has to notice.

A list is a YAML file, a sequence of

    - file: equigrasp/models/losses.py       # relative to the repository
      tests: [tests/equigrasp/models/test_loss_terms.py]
      mutants:
        - why: widths are learned at yaws that failed
          old: "text that stands in the file once"
          new: "what takes its place"

where a mutant may add `tests` of its own, `quick: true` to belong to the short form, and `lives`,
the reason why no test can notice it.
"""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

QUICK = 40
"""Mutants of the short form."""
_ENTRY, _MUTANT = {"file", "tests", "mutants"}, {"why", "old", "new", "tests", "quick", "lives"}


@dataclass(frozen=True)
class Mutant:
    """One wrong change.

    Attributes:
        group: name of its list.
        file, tests: paths in the repository; tests may name a function after "::".
        old, new: what stands in the file, and what takes its place.
        why: what is wrong then.
        quick: whether it belongs to the short form.
        lives: why no test can notice it; empty if one has to.
    """

    group: str
    file: str
    old: str
    new: str
    why: str
    tests: tuple[str, ...]
    quick: bool = False
    lives: str = ""

    @property
    def name(self) -> str:
        """Digest of the change, to find it again in recorded results."""
        text = "\n".join((self.file, self.old, self.new))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_mutants(folder: Path) -> list[Mutant]:
    """All mutants of the lists in a folder, list by list.

    Raises:
        ValueError: a list is not of the form above; the message names it.
    """
    return [mutant for path in sorted(folder.glob("*.yaml")) for mutant in _read(path)]


def _read(path: Path) -> Iterator[Mutant]:
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        _check(path, entry, _ENTRY)
        for given in entry["mutants"]:
            _check(path, given, _MUTANT)
            tests = given.get("tests", entry["tests"])
            rest = {key: given[key] for key in ("old", "new", "why")}
            more = {key: given[key] for key in ("quick", "lives") if key in given}
            yield Mutant(path.stem, entry["file"], tests=tuple(tests), **rest, **more)


def _check(path: Path, given: Any, known: set[str]) -> None:
    if not isinstance(given, dict) or set(given) - known or ("old" in known) != ("old" in given):
        raise ValueError(f"{path.name} has an entry of {given!r:.120}; give {sorted(known)}")


def mutated(mutant: Mutant, root: Path) -> str:
    """Text of the mutant's file with its change.

    Raises:
        ValueError: it does not fit the file; the code has moved on.
    """
    path = root / mutant.file
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    count = text.count(mutant.old)
    if count != 1:
        raise ValueError(
            f"{mutant.group}: {mutant.file} holds {mutant.old!r} {count} times, not once; the code "
            "has moved on: change the mutant with it"
        )
    changed = text.replace(mutant.old, mutant.new)
    try:
        same = ast.dump(ast.parse(changed)) == _tree(text)
    except SyntaxError as error:
        raise ValueError(f"{mutant.group}: {mutant.new!r} is no Python: {error}") from error
    if same:
        raise ValueError(f"{mutant.group}: {mutant.new!r} changes nothing in {mutant.file}")
    return changed


@lru_cache(maxsize=8)
def _tree(text: str) -> str:
    """Syntax of a source, whatever its comments and lengths of lines."""
    return ast.dump(ast.parse(text))


def misfits(mutants: Sequence[Mutant], root: Path) -> list[str]:
    """What is wrong with mutants, one line each: changes that do not apply, tests that are not
    there, the same change twice."""
    found = []
    for mutant in mutants:
        try:
            mutated(mutant, root)
        except ValueError as error:
            found.append(str(error))
        missing = [t for t in mutant.tests if not (root / t.split("::")[0]).exists()]
        found += [f"{mutant.group}: {mutant.file} names {test}, which is gone" for test in missing]
    twice = [name for name, count in Counter(m.name for m in mutants).items() if count > 1]
    found += [f"{m.group}: {m.file} {m.old!r} twice" for m in mutants if m.name in twice]
    return found
