"""Do the tests notice? Small wrong changes to the sources, each run against the tests that name it.

    python benchmarks/mutants.py [--quick] [--json results.json] [--record] [--only TEXT]

The changes stand in `benchmarks/mutant_lists`, by region; every one is made in a throwaway copy of
the tree, and the tests named beside it have to fail. The short form takes 40 of them. mutmut and
cosmic-ray were looked at: they make thousands of changes to operators and start Python anew for
each, ten seconds with torch; what is asked here is whether mistakes that people make are noticed,
and processes forked after the imports make a run as short as its tests.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from shared.mutant_list import Mutant, misfits, read_mutants
from shared.mutant_trials import (
    FAILED,
    HANGS,
    INTERRUPTED,
    LIMIT,
    PASSED,
    PRELOADED,
    Nursery,
    copy_tree,
    run_trials,
)
from shared.results import RESULTS, command_line, machine

from equigrasp.data.files import write_atomically, write_json

ROOT = Path(__file__).parents[1]
LISTS = ROOT / "benchmarks" / "mutant_lists"
RESULT = RESULTS / "mutants.json"


def main(arguments: list[str] | None = None) -> int:
    """Run, print, record; 1 if a mutant lives without a reason, or lists do not fit the code."""
    options = parse(arguments)
    mutants = read_mutants(LISTS)
    if wrong := misfits(mutants, ROOT):
        print(*wrong, sep="\n")
        return 1
    within = [m for m in mutants if m.quick or not options.quick]
    chosen = [m for m in within if options.only in m.file]
    if not chosen:
        print(f"--only {options.only}: no file with mutants is called so; there are")
        print(*sorted({m.file for m in within}), sep="\n")
        return 1
    started = time.perf_counter()
    killed = recorded(mutants) if options.record else {}
    for mutant, dead in outcomes(chosen, ROOT, options.workers):
        killed[mutant.name] = dead
        print(f"{'killed' if dead else 'LIVES '}  {mutant.file}: {mutant.why}", flush=True)
        if options.record:  # at once: a run that is ended early keeps what it found
            record(mutants, killed)
    seconds = time.perf_counter() - started
    chosen = [mutant for mutant in mutants if mutant.name in killed]
    print(report(chosen, killed), f"{seconds:.0f} s with {options.workers} workers", sep="\n\n")
    if options.json:
        write_json(options.json, figures(chosen, killed))
    return int(any(not killed[m.name] and not m.lives for m in chosen))


def outcomes(
    mutants: Sequence[Mutant],
    root: Path,
    workers: int,
    preloaded: Sequence[str] = PRELOADED,
    seconds: int = LIMIT,
) -> Iterator[tuple[Mutant, bool]]:
    """Every one of some mutants with whether tests notice it, as they end.

    Args:
        mutants: to try.
        root: the repository; it is only read.
        workers: runs at a time, each in a copy of its own.
        preloaded: see `Nursery`.
        seconds: CPU time of a run.

    Raises:
        RuntimeError: tests fail without any change, or none are found.
    """
    runs = planned(mutants)
    sound: set[str] = set()
    held: list[tuple[Mutant, bool]] = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, Nursery(preloaded) as nursery:
        trees = [Path(folder) / str(number) for number in range(min(workers, len(mutants)))]
        copy_tree(root, trees[0])
        for tree in trees[1:]:
            shutil.copytree(trees[0], tree)  # compiled already
        for number, status, tree in run_trials(runs, root, trees, nursery, seconds):
            mutant, tests = runs[number]
            good = (PASSED,) if mutant is None else (PASSED, FAILED, INTERRUPTED, HANGS)
            if status not in good:
                log = (tree / "tests.log").read_text(encoding="utf-8", errors="replace")
                what = mutant or "no mutant at all: mend the tests first"
                raise RuntimeError(
                    f"{', '.join(tests)} end with {status}, with {what}\n{log[-3000:]}"
                )
            if mutant is None:
                sound.update(tests)
            else:
                held.append((mutant, status != PASSED))
            # An outcome counts once its tests have been seen to pass without it.
            yield from [each for each in held if sound.issuperset(each[0].tests)]
            held = [each for each in held if not sound.issuperset(each[0].tests)]


def planned(mutants: Iterable[Mutant]) -> list[tuple[Mutant | None, tuple[str, ...]]]:
    """Runs of all tests: every file first by itself, without a mutant, then with its mutants."""
    runs: list[tuple[Mutant | None, tuple[str, ...]]] = []
    begun: set[str] = set()
    for mutant in mutants:
        runs += [(None, (test,)) for test in mutant.tests if test not in begun]
        begun.update(mutant.tests)
        runs.append((mutant, mutant.tests))
    return runs


def record(mutants: Sequence[Mutant], killed: Mapping[str, bool]) -> None:
    """Write the outcomes of those of the listed mutants that were tried, and their tables."""
    tried = [mutant for mutant in mutants if mutant.name in killed]
    numbers = figures(tried, killed) | {"mutants_listed": len(mutants)}
    write_json(RESULT, {"machine": machine(), "numbers": numbers, "killed": dict(killed)})
    about = f"{len(tried)} of the {len(mutants)} that are listed were tried."
    write_atomically(
        RESULT.with_suffix(".md"), f"# Mutants\n\n{about}\n\n{report(tried, killed)}\n"
    )


def recorded(mutants: Iterable[Mutant]) -> dict[str, bool]:
    """Recorded outcomes of mutants that are still in the lists."""
    known = json.loads(RESULT.read_text())["killed"] if RESULT.exists() else {}
    return {m.name: known[m.name] for m in mutants if m.name in known}


def figures(mutants: Sequence[Mutant], killed: Mapping[str, bool]) -> dict[str, float]:
    """Flat figures; the share counts those that no test can notice as living."""
    dead = sum(killed[m.name] for m in mutants)
    excused = sum(bool(m.lives) for m in mutants if not killed[m.name])
    return {
        "mutants": len(mutants),
        "mutants_killed": dead,
        "mutants_living": len(mutants) - dead,
        "mutants_living_with_reason": excused,
        "mutants_killed_share": dead / len(mutants),
    }


def report(mutants: Sequence[Mutant], killed: Mapping[str, bool]) -> str:
    """Tables of the regions and of the living."""
    lines = ["| region | killed | of |", "|---|---|---|"]
    for group in dict.fromkeys(m.group for m in mutants):
        own = [m for m in mutants if m.group == group]
        lines.append(f"| {group} | {sum(killed[m.name] for m in own)} | {len(own)} |")
    share = figures(mutants, killed)["mutants_killed_share"]
    dead = sum(killed[m.name] for m in mutants)
    lines += [f"| all | {dead} ({100 * share:.1f} %) | {len(mutants)} |", "", "Living:", ""]
    for m in mutants:
        if not killed[m.name]:
            lines.append(f"- {m.file}: {m.why}. {m.lives or 'NO REASON IS GIVEN.'}")
        elif m.lives:
            lines.append(f"- {m.file}: {m.why}: said to live ({m.lives}), but killed")
    return "\n".join(lines)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = command_line(__doc__, "mutants")
    parser.add_argument("--only", default="", metavar="TEXT", help="files whose path holds TEXT")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
