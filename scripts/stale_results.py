"""Which recorded results are older than the code that they speak of.

    python scripts/stale_results.py            # a table; exit status 0 whatever it says

The code of a result is its benchmark and the modules that this imports by itself, those of
`benchmarks/shared` included: what lies deeper is as old as it is. A newer change need not touch the
figures (a comment is a change too), so this is a list to look through, not a verdict.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from equigrasp.imports import Source, imports_of, read_sources

ROOT = Path(__file__).parents[1]
PLUMBING = {"equigrasp.data.files", "equigrasp.sizes", "shared.results", "shared.steps"}
"""Modules that print, write and count, and decide no figure."""
ENTRIES = {
    "ablation": ("benchmarks/published.py",),
    "adversarial": ("sim/clutter_eval.py", "sim/clutter/rounds.py"),
    "clutter": ("sim/clutter_eval.py", "sim/clutter/rounds.py"),
    "tasks_mini_diffuser": ("sim/policy_eval.py",),
    "tasks_oracle": ("sim/policy_eval.py",),
}
"""Programs of the results that no benchmark is named after."""


class Age(NamedTuple):
    """A result and its code.

    Attributes:
        result: name of the result.
        recorded: seconds since 1970 of its last change.
        changed: of the last change to its code.
        newer: files of its code that changed after it.
    """

    result: str
    recorded: int
    changed: int
    newer: tuple[str, ...]


def main() -> None:
    """Print the results that are older than their code, the oldest first."""
    ages = [age for age in result_ages(ROOT) if age.newer]
    print("| result | recorded | code changed | newer files |\n|---|---|---|---|")
    for age in sorted(ages, key=lambda age: age.recorded):
        days = [
            datetime.fromtimestamp(when, timezone.utc).strftime("%Y-%m-%d %H:%M")
            for when in (age.recorded, age.changed)
        ]
        named = ", ".join(age.newer[:4]) + (", ..." if len(age.newer) > 4 else "")
        print(f"| {age.result} | {days[0]} | {days[1]} | {len(age.newer)}: {named} |")


def result_ages(root: Path) -> list[Age]:
    """Every recorded result whose program is known, beside the code that it speaks of.

    Args:
        root: of the repository; its history has to be there.
    """
    folder = root / "benchmarks" / "results"
    benchmarks = {path.stem: (f"benchmarks/{path.name}",) for path in root.glob("benchmarks/*.py")}
    programs = {**benchmarks, **ENTRIES}
    sources = _sources(root)
    found = []
    for result in sorted({path.stem for path in folder.glob("*.json")}):
        names = [name for name in programs if result == name or result.startswith(f"{name}_")]
        if not names:
            continue
        recorded = last_change(root, f"benchmarks/results/{result}.json")
        times = {
            path: last_change(root, path)
            for path in code_of(programs[max(names, key=len)], sources)
        }
        newer = tuple(path for path, when in times.items() if when > recorded)
        found.append(Age(result, recorded, max(times.values()), newer))
    return found


def code_of(programs: tuple[str, ...], sources: Mapping[str, tuple[str, Source]]) -> list[str]:
    """Paths of programs and of what they import by themselves, shared modules looked through.

    Args:
        programs: paths below the root.
        sources: modules by name, each with its path; see `_sources`.
    """
    by_path = {path: name for name, (path, _) in sources.items()}
    waiting, seen = [by_path[path] for path in programs if path in by_path], set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        if sources[name][0] in programs or name.startswith("shared."):
            targets = {found.target for found in imports_of(name, sources[name][1], sources)}
            waiting += [each for each in targets - seen - PLUMBING if each in sources]
    return sorted(sources[name][0] for name in seen)


def last_change(root: Path, path: str) -> int:
    """Time of the last commit of a file, seconds since 1970; 0 if it was never committed."""
    command = ["git", "-C", str(root), "log", "-1", "--format=%ct", "--", path]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return int(said or 0)


def _sources(root: Path) -> dict[str, tuple[str, Source]]:
    """Modules by the names under which benchmarks import them, with their paths."""
    found = {}
    for folder, below in (("equigrasp", ""), ("sim", ""), ("data_gen", ""), ("benchmarks",) * 2):
        base = root / below
        for name, source in read_sources(root / folder, base).items():
            end = "/__init__.py" if source.is_package else ".py"
            path = "/".join(filter(None, (below, *name.split(".")))) + end
            found[name] = (path, source)
    return found


if __name__ == "__main__":
    main()
