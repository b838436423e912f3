"""Collect clutter evaluations into one committed table and plot.

    python -m benchmarks.shared.clutter_table outputs/clutter --name clutter

Reads every `summary.json` below the folder (as `sim/clutter_eval.py` writes them) and writes
`benchmarks/results/NAME.json`, `.md` and `.png`. It measures nothing itself.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from equigrasp.data.files import atomic_path, write_atomically, write_json
from sim.clutter.figures import figures, lost_rounds

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
TARGETS = {"packed": (90.0, 88.0), "pile": (75.0, 75.0)}
"""GSR and DR asked for, fixed view with gamma noise."""


def machine() -> str:
    """Processor name and number of cores, nothing that names a computer."""
    name = "unknown processor"
    if os.path.exists("/proc/cpuinfo"):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), name)
    return f"{os.cpu_count()} cores, {name}"


def collect(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """(name, summary) of every evaluation below a folder, by name.

    Raises:
        FileNotFoundError: if there is none.
    """
    rows = []
    for path in sorted(folder.rglob("summary.json")):
        summary = json.loads(path.read_text())
        s = summary["settings"]
        model = path.parent.parent.name.split("_", 2)[-1] if s["model"] == "model" else s["model"]
        depth = "rectified" if s["table_rectify"] else "raw"
        head = f"{s['scene']}, {s['view']} view, {s['noise']} noise, {depth}, {s['split']} objects"
        rows.append((f"{head}: {model}", summary))
    if not rows:
        raise FileNotFoundError(f"no summary.json below {folder}; run sim/clutter_eval.py first")
    return sorted(rows, key=lambda row: row[0])


def plot(path: Path, rows: list[tuple[str, dict[str, Any]]]) -> None:
    """GSR and DR with their 95 % intervals, one line per evaluation."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(13, 0.6 + 0.32 * len(rows)), sharey=True)
    for axis, rate in zip(axes, ("gsr", "dr"), strict=True):
        for i, (_, summary) in enumerate(reversed(rows)):
            if summary[rate]["pooled"] is None:
                continue  # nothing was tried
            low, high = summary[rate]["interval"]
            colour = "tab:blue" if summary["settings"]["scene"] == "packed" else "tab:orange"
            axis.plot([low, high], [i, i], color=colour, lw=2)
            axis.plot(summary[rate]["pooled"], i, "o", color=colour)
        axis.set_title(f"{rate.upper()} %, 95 % interval over rounds")
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_yticks(range(len(rows)), [name for name, _ in reversed(rows)], fontsize=8)
    figure.tight_layout()
    with atomic_path(path) as unfinished:
        figure.savefig(unfinished, dpi=90, format="png")
    plt.close(figure)


def figures_told(rows: list[tuple[str, dict[str, Any]]]) -> str:
    """The table of figures, and under it a line for every evaluation that lost rounds."""
    lost = (lost_rounds(name, summary) for name, summary in rows)
    return "\n\n".join([figures(rows), *filter(None, lost)])


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("folder", type=Path)
    p.add_argument("--name", default="clutter")
    args = p.parse_args()
    rows = collect(args.folder)
    content = {
        "machine": machine(),
        "targets_fixed_view_gamma_noise": TARGETS,
        "evaluations": dict(rows),
    }
    write_json(RESULTS / f"{args.name}.json", content)
    text = f"Machine: {machine()}, one worker per evaluation. Intervals: bootstrap over rounds.\n\n"
    table = figures_told(rows)
    write_atomically(RESULTS / f"{args.name}.md", text + table + "\n")
    plot(RESULTS / f"{args.name}.png", rows)
    print(table)


if __name__ == "__main__":
    main()
