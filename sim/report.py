"""One page of a training, an evaluation or a comparison: a single HTML file to send to somebody.

    python sim/report.py runs/equiigd_pile_seed0           # writes report.html there
    python sim/report.py outputs/clutter/pile_giga_fixed   # an evaluation, or a folder of them
    python sim/report.py outputs/compare --out table.html

Trainings show settings, curves and validations; evaluations show figures with intervals, what
became of attempts, how far scores can be taken for probabilities, success per object, the best and
the worst rounds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from equigrasp.data.files import write_atomically
from equigrasp.page import Page
from equigrasp.training.run_page import add_training, is_training
from sim.clutter.evaluation_page import add_evaluations, evaluations


def main(arguments: list[str] | None = None) -> None:
    """Write the page; say where."""
    args = parser().parse_args(arguments)
    out = args.out or args.folder / "report.html"
    try:
        write_report(args.folder, out)
    except (ValueError, FileNotFoundError) as error:
        raise SystemExit(f"error: {error}") from None
    print(f"wrote {out}")


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    style = argparse.RawDescriptionHelpFormatter
    found = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    found.add_argument("folder", type=Path, help="of a training, an evaluation, or several")
    found.add_argument("--out", type=Path, help="default: report.html in the folder")
    return found


def write_report(folder: Path, out: Path) -> None:
    """Write the page of a folder.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds neither a training nor an evaluation.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    found, trained = evaluations(folder), is_training(folder)
    if not found and not trained:
        raise ValueError(
            f"{folder} holds no training (metrics.jsonl) and no evaluation (summary.json); give a "
            "folder below runs, or the --out of an evaluation"
        )
    page = Page(folder.resolve().name)
    if trained:
        add_training(page, folder)
    if found:
        add_evaluations(page, folder, found)
    write_atomically(out, page.html())


if __name__ == "__main__":
    main()
