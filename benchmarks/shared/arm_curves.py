"""Learning curves of training arms: read, compared at equal scores and equal steps, plotted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from equigrasp.training.run_log import minutes_by_step, read_records
from shared.results import save_figure

CURVES = ("near", "turned", "correct")
"""Shares of held-out keyframes: within 1 cm, within 5 degrees, right in all."""
LONG = "m1_long"
"""Arm that trains several times as long as the others."""


def curve(folder: Path) -> list[dict[str, float]]:
    """Validations of a run with their step and minutes."""
    minutes = minutes_by_step(folder / "metrics.jsonl")
    return [
        {
            "step": record["step"],
            "minutes": max(spent for step, spent in minutes.items() if step <= record["step"]),
            **{name: record[name] for name in (*CURVES, "position_median_mm")},
        }
        for record in read_records(folder / "metrics.jsonl", "validation")
    ]


def compared(
    curves: dict[str, list[dict[str, float]]], step: int
) -> dict[str, dict[str, float | None]]:
    """What the arms tell beside each other: times to scores, and scores at a common step."""
    found: dict[str, dict[str, float | None]] = {}
    for arm, points in curves.items():
        found[arm] = {}
        if "m1" in curves:
            found[arm] |= time_to(curves["m1"], points)
        if LONG in curves and arm != LONG:
            found[arm] |= share_of_long(points, curves[LONG])
        correct = at(points, "correct", step)
        found[arm]["correct_at_equal_steps"] = None if correct is None else 100 * correct
    return found


def time_to(one: list[dict[str, float]], points: list[dict[str, float]]) -> dict[str, float | None]:
    """Share of the time of arm `one` after which another arm has its best score, by score."""
    found: dict[str, float | None] = {}
    for name in CURVES:
        reached = minutes_to(points, name, max(point[name] for point in one))
        found[f"time_to_m1_{name}"] = None if reached is None else reached / one[-1]["minutes"]
    return found


def share_of_long(
    points: list[dict[str, float]], long: list[dict[str, float]]
) -> dict[str, float | None]:
    """Time that an arm needs for its own best score, as a share of what `long` needs for it."""
    found: dict[str, float | None] = {}
    for name in CURVES:
        best = max(point[name] for point in points)
        own, other = (minutes_to(of, name, best) for of in (points, long))
        found[f"share_of_{LONG}_{name}"] = None if other is None else own / other
    return found


def minutes_to(points: list[dict[str, float]], name: str, level: float) -> float | None:
    """Minutes until a score reaches a level; None if it does not."""
    return next((point["minutes"] for point in points if point[name] >= level), None)


def at(points: Sequence[dict[str, float]], name: str, step: float) -> float | None:
    """A measure at a step, between the points around it; None before the first and after the last
    one."""
    steps = [point["step"] for point in points]
    if not steps[0] <= step <= steps[-1]:
        return None
    return float(np.interp(step, steps, [point[name] for point in points]))


def markdown_table(rows: dict[str, dict[str, Any]]) -> str:
    """Numbers of arms as a table in Markdown, an arm a row."""
    names = list(dict.fromkeys(name for found in rows.values() for name in found))
    lines = ["| arm | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for arm, found in rows.items():
        cells = [found.get(name) for name in names]
        shown = ["-" if value is None else f"{value:.4g}" for value in cells]
        lines.append(f"| {arm} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def draw_curves(
    curves: dict[str, list[dict[str, float]]],
    successes: dict[str, list[dict[str, float]]],
    path: Path,
) -> None:
    """Shares of held-out keyframes, and success where it was played, against steps and minutes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    columns = [(name, curves) for name in CURVES] + [("success", successes)] * bool(successes)
    size = (4 * len(columns), 6.5)
    figure, axes = plt.subplots(2, len(columns), figsize=size, sharey="col")
    for line, along in zip(axes, ("step", "minutes"), strict=True):
        for axis, (name, lines) in zip(line, columns, strict=True):
            for arm, points in lines.items():
                values = [p[name] for p in points]
                axis.plot([p[along] for p in points], values, ".-", label=arm)
            axis.set(xlabel=along, ylabel=name)
            axis.grid(alpha=0.3)
    axes[0, 0].legend()
    save_figure(figure, path)
