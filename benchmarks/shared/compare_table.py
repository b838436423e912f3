"""From folders of evaluations to one table, its headline figures, and plots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from equigrasp.weights import find_weights
from shared.paired import outcomes
from shared.results import save_figure

Row = dict[str, Any]
BINS = 10


def collect(folder: Path) -> list[Row]:
    """A row per `SCENE_VIEW_MODEL` folder below `folder` that `sim/clutter_eval.py` wrote.

    Raises:
        FileNotFoundError: there is none.
    """
    rows = []
    for path in sorted(folder.glob("*/rectified/summary.json")):
        summary = json.loads(path.read_text())
        scene, view, model = path.parents[1].name.split("_", 2)
        settings = json.loads((path.parent / "settings.json").read_text())
        latency = summary["latency_ms"].get("total", {})
        rows.append(
            {
                "scene": scene,
                "view": view,
                "model": model,
                "rectified": summary["settings"]["table_rectify"],
                **{rate: summary[rate] for rate in ("gsr", "dr")},
                **{name: summary[name] for name in ("rounds", "attempts", "objects", "successes")},
                "median_ms": latency.get("median"),
                "p95_ms": latency.get("p95"),
                "calibration": calibration(path.parent / "rounds.jsonl"),
                "outcomes": outcomes(path.parent / "rounds.jsonl"),
                **training_facts(settings["model"]),
            }
        )
    if not rows:
        raise FileNotFoundError(f"no evaluation below {folder}")
    return rows


def with_earlier(rows: list[Row], earlier: list[Row]) -> list[Row]:
    """`rows`, and those of `earlier` for a scene, view and model that `rows` does not have."""
    return list({_planner(row): row for row in [*earlier, *rows]}.values())


def training_facts(model: str) -> Row:
    """What the weights' card tells; None where it does not."""
    from equigrasp.weights import load_model

    try:
        _, card_path = find_weights(model)
    except FileNotFoundError:  # baselines have no weights
        return dict.fromkeys(("parameters", "minutes", "labels_per_s", "equivariance", "ap"))
    card = json.loads(card_path.read_text())
    validation = card.get("validation") or {}
    trained = load_model(model, frozen=False)
    facts: Row = {
        "parameters": sum(p.numel() for p in trained.parameters()),
        "equivariance": validation.get("equivariance_quality"),
        "ap": validation.get("average_precision"),
        "auroc": validation.get("auroc"),
        "minutes": card.get("training_minutes"),
        "labels_per_s": None,
    }
    if facts["minutes"]:
        labels = card["steps_done"] * card["training"]["batch_size"] * card["draws"]["queries"]
        facts["labels_per_s"] = labels / (60 * facts["minutes"])
    return facts


def calibration(path: Path) -> list[list[float]]:
    """Reliability of scores: per occupied tenth (mean score, share of successes, attempts)."""
    attempts = [
        (attempt["score"], attempt["success"])
        for line in path.read_text().splitlines()
        for attempt in json.loads(line)["attempts"]
    ]
    bins: dict[int, list[tuple[float, bool]]] = {}
    for score, success in attempts:
        if score == score:  # a baseline without a score says NaN
            bins.setdefault(min(int(score * BINS), BINS - 1), []).append((score, success))
    return [
        [
            sum(score for score, _ in members) / len(members),
            sum(success for _, success in members) / len(members),
            len(members),
        ]
        for _, members in sorted(bins.items())
    ]


def markdown(rows: list[Row]) -> str:
    """Markdown table."""
    lines = [
        "| scene, view | model | parameters | training min | labels/s | planning ms (median, p95) "
        "| equivariance | AP | GSR % (95 %) | DR % (95 %) | attempts |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda r: (r["scene"], r["view"], r["gsr"]["pooled"])):
        rates = [
            f"{r['pooled']:.1f} ({r['interval'][0]:.1f} to {r['interval'][1]:.1f})"
            for r in (row["gsr"], row["dr"])
        ]
        lines.append(
            f"| {row['scene']}, {row['view']} | {row['model']} | {_number(row['parameters'], ',')} "
            f"| {_number(row['minutes'], '.0f')} | {_number(row['labels_per_s'], '.0f')} "
            f"| {_number(row['median_ms'], '.0f')}, {_number(row['p95_ms'], '.0f')} "
            f"| {_number(row['equivariance'], '.0e')} | {_number(row['ap'], '.3f')} "
            f"| {rates[0]} | {rates[1]} | {row['attempts']} |"
        )
    return "\n".join(lines)


def headline(rows: list[Row]) -> dict[str, float]:
    """Flat figures of every row."""
    numbers: dict[str, float] = {}
    for row in rows:
        name = f"{row['scene']}_{row['view']}_{row['model']}"
        numbers[f"{name}_gsr"] = row["gsr"]["pooled"]
        numbers[f"{name}_dr"] = row["dr"]["pooled"]
        if row["median_ms"] is not None:
            numbers[f"{name}_ms"] = row["median_ms"]
    return numbers


def draw_plots(rows: list[Row], path: Path) -> None:
    """GSR and DR against planning latency, and the reliability of scores."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(16, 4.8))
    names = sorted({row["model"] for row in rows})
    colours = {name: plt.cm.tab20(i % 20) for i, name in enumerate(names)}
    marks = {"packed": "o", "pile": "s"}
    for row in rows:
        for axis, rate in zip(axes, ("gsr", "dr"), strict=False):
            if row["median_ms"] is None:
                continue
            low, high = row[rate]["interval"]
            value = row[rate]["pooled"]
            axis.errorbar(
                row["median_ms"],
                value,
                [[max(value - low, 0)], [max(high - value, 0)]],
                fmt=marks[row["scene"]],
                color=colours[row["model"]],
                mfc=None if row["view"] == "fixed" else "white",
                label=f"{row['model']}, {row['scene']}, {row['view']}",
            )
        if row["view"] == "fixed":
            score, share, _ = zip(*row["calibration"], strict=True)
            axes[2].plot(score, share, marks[row["scene"]] + "-", color=colours[row["model"]], lw=1)
    for axis, name in zip(axes, ("GSR %", "DR %"), strict=False):
        axis.set(xlabel="planning, median ms", ylabel=name, xscale="log")
        axis.grid(alpha=0.3)
    axes[1].legend(fontsize=6, loc="lower right")
    axes[2].plot([0, 1], [0, 1], "k--", lw=0.8)
    axes[2].set(xlabel="score", ylabel="share of successes", title="reliability, fixed view")
    save_figure(figure, path)


def _planner(row: Row) -> tuple[str, str, str]:
    return row["scene"], row["view"], row["model"]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
