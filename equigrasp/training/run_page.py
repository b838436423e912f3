"""The page of a training: settings, curves, validations, what was exported."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from equigrasp.page import Page

CURVES = ("metrics.jsonl", "model.json")
"""What a training leaves in its folder: measurements by step, and the card of the best weights."""
PER_ROW = 3
SMOOTH = 25
"""Curves are means over so many measurements around each, where there are more than that."""


def is_training(folder: Path) -> bool:
    """Whether a folder is a run of `equigrasp.train`."""
    return (folder / CURVES[0]).is_file()


def add_training(page: Page, folder: Path) -> None:
    """Add what a training left to a page.

    Args:
        page: that grows.
        folder: of the run.

    Raises:
        ValueError: `metrics.jsonl` holds no measurements.
    """
    rows = read_metrics(folder / CURVES[0])
    validations = [row for row in rows if row.get("kind") == "validation"]
    steps = [row for row in rows if row.get("kind") == "train"]
    if not steps:
        raise ValueError(f"{folder / CURVES[0]} holds no measurements; has the training begun?")
    last = steps[-1]
    page.text(f"{last['step']} steps in {last.get('minutes', math.nan):.1f} minutes.")
    names = sorted({name for row in steps for name in row} - {"step", "kind", "minutes"})
    page.heading("Curves", 3)
    page.figure(_curves(steps, names), "losses and learning rate by step")
    if validations:
        found = sorted({name for row in validations for name in row} - {"step", "kind"})
        page.heading("Validation", 3)
        shown = [name for name in found if not name.startswith("equivariance")]
        page.figure(_curves(validations, shown), "measures on held-out scenes by step")
        page.table(
            ("step", *found), [[row["step"], *(row.get(n) for n in found)] for row in validations]
        )
    card = folder / CURVES[1]
    if card.is_file():
        page.settings(json.loads(card.read_text()), "Card of the exported weights")
    config = folder / "hydra" / "config.yaml"
    if config.is_file():
        import yaml

        page.settings(yaml.safe_load(config.read_text()), "Settings")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Measurements of a run; a last line that a kill cut off is left out."""
    rows = []
    for line in path.read_text().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


def _curves(rows: list[dict[str, Any]], names: list[str]) -> Any:
    from matplotlib.figure import Figure

    height = math.ceil(len(names) / PER_ROW)
    figure = Figure(figsize=(11, 2.4 * height), layout="constrained")
    for number, name in enumerate(names):
        axes = figure.add_subplot(height, PER_ROW, number + 1)
        points = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
        x, y = zip(*points, strict=True)
        smooth = len(y) > 2 * SMOOTH
        axes.plot(x, y, lw=1, alpha=0.3 if smooth else 1.0, marker="" if len(y) > 20 else ".")
        if smooth:
            axes.plot(x, _smoothed(y), lw=1.4, color="C0")
        axes.set_title(name.replace("_", " "), fontsize=9)
        axes.tick_params(labelsize=8)
    return figure


def _smoothed(values: tuple[float, ...]) -> list[float]:
    """Means over windows of `SMOOTH`, shorter at the ends."""
    half = SMOOTH // 2
    windows = (values[max(0, i - half) : i + half + 1] for i in range(len(values)))
    return [sum(window) / len(window) for window in windows]
