"""Every line that a page has people type is typed, one after another, as a reader would.

    python benchmarks/pages.py [--quick] [--json results.json] [--record]
    python benchmarks/pages.py --only docs/tasks.md --keep

Of README, CONTRIBUTING and the documents. A page gets a folder of its own: a copy of the repository
if its lines name files of it, else an empty one, and in it what the page assumes a reader has. Its
lines are given to a shell as they stand, with arguments behind them that make the work small
(`benchmarks/shared/page_rules.py`), so that later ones use what earlier ones wrote. They have to
end with status 0 and leave what the page says they write; a server is asked once and ended with
Ctrl-C. Lines that cannot run here are listed with the reason, and the place where they are tested.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

from shared.mutant_trials import copy_tree
from shared.page_lines import Line, pages, typed
from shared.page_rules import RULES
from shared.page_runs import EXCUSED, FAILED, OK, SECONDS, Outcome, Rules, Typist
from shared.results import command_line, load, machine

from equigrasp.data.files import write_atomically, write_json
from equigrasp.interruption import interrupted

ROOT = Path(__file__).parents[1]
QUICK = ("docs/index.md", "docs/tutorials/first_grasp.md", "docs/serving.md")
"""Pages that need neither simulator nor training."""


def main(arguments: list[str] | None = None) -> int:
    """Type them all, print, record; 1 if a line fails or a rule is of no line."""
    options = parse(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # for what is started in here too
    book = {page.relative_to(ROOT).as_posix(): typed(page, ROOT) for page in pages(ROOT)}
    if idle := RULES.idle([line for lines in book.values() for line in lines], ROOT):
        print("rules that no line of a page uses:", *idle, sep="\n  ")
        return 1
    book = {name: lines for name, lines in book.items() if lines}
    wanted = options.only or (QUICK if options.quick else book)
    if unknown := [name for name in wanted if name not in book]:
        print(f"--only {unknown[0]}: no page with lines to type; there are {', '.join(book)}")
        return 1
    started, found = time.perf_counter(), []
    chosen = [book[name] for name in wanted]
    try:
        for outcome in outcomes(chosen, ROOT, RULES, options):
            found.append(outcome)
            print(told(outcome), flush=True)
    except KeyboardInterrupt:
        return interrupted("what was being typed was ended")
    seconds = time.perf_counter() - started
    print(f"\n{in_words(found, seconds)}")
    if options.json:
        write_json(options.json, figures(found, seconds))
    if options.record:
        record(options.result, found, seconds)
    return int(any(outcome.state == FAILED for outcome in found))


def outcomes(
    book: Sequence[Sequence[Line]], root: Path, rules: Rules, options: argparse.Namespace
) -> Iterator[Outcome]:
    """Outcomes of the lines of pages, as they come; a page's own in their order.

    Args:
        book: lines, page by page.
        root: the repository, which is only read.
        rules: how lines are typed.
        options: `workers`, pages at a time, `limit`, seconds for a line, and `keep`, whether
            folders stay.
    """
    scratch = Path(tempfile.mkdtemp(prefix="equigrasp-pages-"))
    typist, said = Typist(rules, scratch / "sources", options.limit), Queue()

    def try_out(number: int) -> None:
        try:
            for outcome in typist.page(book[number], scratch / str(number)):
                said.put(outcome)
        except Exception as error:  # something that the page assumes could not be made
            said.put(Outcome(book[number][0], FAILED, repr(error)))
        finally:
            said.put(None)

    try:
        copy_tree(root, typist.sources)
        with ThreadPoolExecutor(options.workers) as threads:
            for number in range(len(book)):
                threads.submit(try_out, number)
            try:
                for _ in book:
                    yield from iter(said.get, None)
            finally:
                typist.stopped.set()
    finally:
        if options.keep:
            print(f"the folders of the pages are in {scratch}")
        else:
            shutil.rmtree(scratch)


def told(outcome: Outcome) -> str:
    """An outcome in a line, with its time and its processor time; what failed printed follows."""
    times = f"{outcome.seconds:5.1f} s {outcome.busy:5.1f} s"
    times = " " * len(times) if outcome.state == EXCUSED else times
    line = f"{outcome.state:7} {times}  {outcome.line.page}: {outcome.line.text}"
    if outcome.state == EXCUSED:
        return f"{line}  ({outcome.told})"
    return "\n    ".join([line, *outcome.told.splitlines()])


def in_words(found: Sequence[Outcome], seconds: float) -> str:
    """How many lines there were, what came of them, and what that took."""
    counts = {state: sum(o.state == state for o in found) for state in (OK, FAILED, EXCUSED)}
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    busy = sum(outcome.busy for outcome in found)
    return f"{len(found)} lines: {told}; {seconds:.0f} s, {busy:.0f} s of processor time"


def figures(found: Sequence[Outcome], seconds: float) -> dict[str, float]:
    """Flat figures."""
    states = {"lines_ok": OK, "lines_failed": FAILED, "lines_not_run": EXCUSED}
    counts = {name: sum(o.state == state for o in found) for name, state in states.items()}
    busy = sum(outcome.busy for outcome in found)
    times = {"seconds": round(seconds, 1), "processor_seconds": round(busy, 1)}
    return {"lines": len(found), **counts, **times}


def record(path: Path, found: Sequence[Outcome], seconds: float) -> None:
    """Write the figures, and a table of all lines beside them."""
    about = machine() | {"load": load()}
    write_json(path, {"machine": about, "numbers": figures(found, seconds)})
    lines = [
        "# Lines to type",
        "",
        f"`python benchmarks/pages.py --record`, on {about['cpu']}, {about['cores']} cores, load "
        f"{about['load']}. {in_words(found, seconds)}. Times of a line are processor time.",
    ]
    for page in dict.fromkeys(outcome.line.page for outcome in found):
        lines += ["", f"## {page}", "", "| line | | s |", "|---|---|---|"]
        for o in found:
            if o.line.page == page:
                state = o.told if o.state == EXCUSED else o.state
                command = o.line.command.replace("|", "\\|")
                lines.append(f"| `{command}` | {state} | {o.busy:.1f} |")
    write_atomically(path.with_suffix(".md"), "\n".join(lines) + "\n")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = command_line(__doc__, "pages")
    add = parser.add_argument
    add("--only", nargs="+", metavar="PAGE", help="README.md, docs/tasks.md, ...")
    add("--workers", type=int, default=2, help="pages at a time")
    add("--limit", type=float, default=SECONDS, help="longest time for a line, s")
    add("--keep", action="store_true", help="leave the folders, and say where they are")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
