"""Before and after: what one more of everything costs, and what keeps the house in order.

    python benchmarks/house.py [--quick] [--json results.json] [--record] [--before REVISION]

Counted in the sources, nothing is run: circles of modules that import each other, imports upwards
(also those hidden in strings), files to touch for one more hand, scene kind, model, policy, task or
planner, public definitions with a docstring, and lengths. Before is read with git (by default, the
commit before the one that begins with "The house:"), and judged by the four floors there were;
where there is no git, it comes from the recorded results. How "files to touch" is counted stands in
`shared/house_facts.py`; `tests/test_additions.py` proves them by adding one of each.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

from shared.floors import FLOORS
from shared.house_facts import (
    ADDITIONS,
    facts,
    files_of_folder,
    files_of_revision,
    listing_files,
)

from equigrasp.data.files import write_atomically, write_json

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "house.json"
OLD_FLOORS = ("equigrasp", "sim", "data_gen", "benchmarks docs examples scripts")
FIRST = "The house:"
"""How the message of the commit begins that moved the files."""


def main(arguments: list[str] | None = None) -> None:
    """Count, print, and write JSON if asked."""
    options = parse(arguments)
    files = files_of_folder(ROOT)
    after = facts(files, FLOORS)
    before, note = counted_before(options.before)
    numbers = {f"before_{name}": value for name, value in before.items()}
    numbers |= {f"after_{name}": value for name, value in after.items()}
    text = markdown(before, after)
    print(f"{text}\n\n{note}")
    for kind in ADDITIONS:
        if listing := listing_files(kind, files):
            print(f"one more {kind} is named in {', '.join(listing)}")
    if options.json:
        write_json(options.json, numbers)
    if options.record:
        write_json(RESULT, {"before": before, "after": after})
        write_atomically(RESULT.with_suffix(".md"), f"# The house, before and after\n\n{text}\n")


def counted_before(revision: str | None) -> tuple[dict[str, float], str]:
    """Numbers of the house as it was, and where they come from; empty if nothing tells."""
    try:
        found = revision or first_revision()
        return facts(files_of_revision(ROOT, found), OLD_FLOORS), f"before: {found}"
    except LookupError as error:
        if not RESULT.exists():
            return {}, f"no figures of before: {error}"
        return json.loads(RESULT.read_text())["before"], f"before: as recorded ({error})"


def first_revision() -> str:
    """The commit before the one that moved the files.

    Raises:
        LookupError: no git, no repository, or a shallow one.
    """
    command = ["git", "log", "--format=%H", f"--grep=^{FIRST}"]
    try:
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise LookupError(f"git cannot be asked: {error}") from error
    if not found.stdout.split():
        raise LookupError(f"no commit begins with {FIRST!r}")
    return f"{found.stdout.split()[-1][:12]}^"


def markdown(before: dict[str, float], after: dict[str, float]) -> str:
    """Table of the figures, "-" where one is not known."""
    lines = ["| | before | after |", "|---|---|---|"]
    for name, value in after.items():
        earlier = f"{before[name]:.4g}" if name in before else "-"
        lines.append(f"| {name.replace('_', ' ')} | {earlier} | {value:.4g} |")
    return "\n".join(lines)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the same: it takes seconds")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    parser.add_argument("--record", action="store_true", help="write results/house.json and .md")
    parser.add_argument("--before", metavar="REVISION", help="what to compare with")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
