"""From folders of evaluations to one table, its headline figures, and plots."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from equigrasp.weights import find_weights, weights_label
from shared.paired import COLUMN, outcomes
from shared.results import known, save_figure
from sim.clutter.fingerprint import weights_digest

Row = dict[str, Any]
MARKS = (("o", "circle"), ("s", "square"), ("D", "diamond"), ("^", "triangle"), ("P", "cross"))
"""Of scene kinds in plots."""


def collect(folder: Path) -> list[Row]:
    """A row per `OBJECTS_SCENE_PROTOCOL_VIEW_DEPTH_MODEL` folder that `sim/clutter_eval.py` wrote.

    Raises:
        FileNotFoundError: there is none.
    """
    rows = []
    for path in sorted(folder.glob("*/r*/summary.json")):
        summary = json.loads(path.read_text())
        objects, scene, protocol, view, depth, model = path.parents[1].name.split("_", 5)
        settings = json.loads((path.parent / "settings.json").read_text())
        latency = summary["latency_ms"].get("total", {})
        rows.append(
            {
                "objects": objects,
                "scene": scene,
                "protocol": protocol,
                "view": view,
                "depth": depth,
                "model": model,
                **{rate: summary[rate] for rate in ("gsr", "dr")},
                **{name: summary[name] for name in ("rounds", "attempts", "successes")},
                "present": summary["objects"],
                "crashed": summary.get("crashed_rounds", 0),
                "median_ms": latency.get("median"),
                "p95_ms": latency.get("p95"),
                "ece": summary["ece"],
                "calibration": [
                    [bin_[name] for name in ("score", "success", "count")]
                    for bin_ in summary["reliability"]
                ],
                "outcomes": outcomes(path.parent / "rounds.jsonl"),
                **training_facts(settings["model"], settings["fingerprint"].partition("-")[2]),
            }
        )
    if not rows:
        raise FileNotFoundError(f"no evaluation below {folder}")
    return rows


def with_earlier(rows: list[Row], earlier: list[Row]) -> list[Row]:
    """`rows`, and those of `earlier` for a column and model that `rows` does not have."""
    return list({_planner(row): row for row in [*earlier, *rows]}.values())


def training_facts(model: str, played: str) -> Row:
    """What the weights' card tells; None where it does not, or tells of others.

    Args:
        model: name of a planner, shipped name or path of saved weights.
        played: digest of the weights that played, see `sim.clutter.fingerprint`.
    """
    from equigrasp.weights import load_model

    names = ("weights", "training_seeds", "parameters", "minutes", "labels_per_s", "ap")
    nothing = dict.fromkeys((*names, "equivariance"))
    try:
        target, card_path = find_weights(model)
    except FileNotFoundError:  # baselines have no weights
        return nothing
    if weights_digest(model) != played:  # exchanged since
        return nothing | {"weights": f"{model}, not those of today"}
    card = json.loads(card_path.read_text())
    validation = card.get("validation") or {}
    trained = load_model(model, frozen=False)
    facts: Row = {
        **made_by(target, card),
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


def made_by(target: Path, card: Row) -> Row:
    """Which weights played, and which seeds they were trained with: one, for a file holds one run.

    Args:
        target: file of the tensors.
        card: of the weights.
    """
    name = weights_label(target.with_suffix(""))
    digest = card.get("digest", {}).get("tensors", "")[:8] or "no digest"
    seeds = [card["seed"]] if "seed" in card else []
    return {"weights": f"{name} ({digest})", "training_seeds": seeds}


def markdown(rows: list[Row]) -> str:
    """Markdown table."""
    lines = [
        f"| {', '.join(COLUMN)} | model | weights (digest) | training seeds | parameters "
        "| training min | labels/s "
        "| planning ms (median, p95) "
        "| equivariance | AP | GSR % (95 %) | DR % (95 %) | attempts |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda r: (column_of(r), r["gsr"]["pooled"] or 0.0)):
        rates = [
            "-"
            if r["pooled"] is None
            else f"{r['pooled']:.1f} ({r['interval'][0]:.1f} to {r['interval'][1]:.1f})"
            for r in (row["gsr"], row["dr"])
        ]
        lines.append(
            f"| {', '.join(column_of(row))} | {row['model']} | {row.get('weights') or '-'} "
            f"| {_seeds(row.get('training_seeds'))} | {_number(row['parameters'], ',')} "
            f"| {_number(row['minutes'], '.0f')} | {_number(row['labels_per_s'], '.0f')} "
            f"| {_number(row['median_ms'], '.0f')}, {_number(row['p95_ms'], '.0f')} "
            f"| {_number(row['equivariance'], '.0e')} | {_number(row['ap'], '.3f')} "
            f"| {rates[0]} | {rates[1]} | {_attempts(row)} |"
        )
    return "\n".join(lines)


def headline(rows: list[Row]) -> dict[str, float]:
    """How far EquiIGD stays below the oracle and EquiGIGA below EquiIGD, and the calibration error
    of both, worst column first; see `benchmarks/compare.py`. What cannot be told is left out."""
    of = {
        model: {column_of(r): r for r in rows if r["model"] == model}
        for model in ("equigiga", "equiigd")
    }
    # The oracle reads no depth: its row serves the rectified and the raw column.
    ceiling = {column_of(r)[:-1]: r for r in rows if r["model"] == "oracle"}
    pairs = {
        "equiigd_{}_gap": [
            (ceiling.get(column[:-1]), row) for column, row in of["equiigd"].items()
        ],
        "equigiga_{}_behind": [
            (of["equiigd"].get(column), row) for column, row in of["equigiga"].items()
        ],
    }
    numbers: dict[str, float] = {}
    for (name, compared), rate in itertools.product(pairs.items(), ("gsr", "dr")):
        points = [
            above[rate]["pooled"] - row[rate]["pooled"]
            for above, row in compared
            if above and len(known((above[rate]["pooled"], row[rate]["pooled"]))) == 2
        ]
        if points:
            numbers[name.format(rate)] = max(points)
    errors = {model: known(row["ece"] for row in columns.values()) for model, columns in of.items()}
    worst = {f"{model}_ece": max(found) for model, found in errors.items() if found}
    return {**numbers, **worst, **({"ece": max(worst.values())} if worst else {})}


def figures(rows: list[Row]) -> dict[str, float | None]:
    """Flat figures of every row."""
    numbers: dict[str, float | None] = {}
    for row in rows:
        name = "_".join([*column_of(row), row["model"]])
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
    scenes = sorted({row["scene"] for row in rows})
    marks = {scene: MARKS[i % len(MARKS)] for i, scene in enumerate(scenes)}
    for row in rows:
        for axis, rate in zip(axes, ("gsr", "dr"), strict=False):
            value = row[rate]["pooled"]
            if row["median_ms"] is None or value is None:
                continue
            low, high = row[rate]["interval"]
            axis.errorbar(
                row["median_ms"],
                value,
                [[max(value - low, 0)], [max(high - value, 0)]],
                fmt=marks[row["scene"]][0],
                color=colours[row["model"]],
                mfc=None if row["view"] == "fixed" else "white",
                label=row["model"],
            )
        if row["view"] == "fixed" and row["calibration"]:
            score, share, _ = zip(*row["calibration"], strict=True)
            axes[2].plot(
                score, share, marks[row["scene"]][0] + "-", color=colours[row["model"]], lw=1
            )
    for axis, name in zip(axes, ("GSR %", "DR %"), strict=False):
        axis.set(xlabel="planning, median ms", ylabel=name, xscale="log")
        axis.grid(alpha=0.3)
    shown = dict(zip(*reversed(axes[1].get_legend_handles_labels()), strict=True))
    axes[1].legend(shown.values(), shown, fontsize=7, loc="lower right")
    shapes = ", ".join(f"{marks[scene][1]}: {scene}" for scene in scenes)
    axes[0].set_title(f"{shapes}; hollow: random view", fontsize=9)
    axes[2].plot([0, 1], [0, 1], "k--", lw=0.8)
    axes[2].set(xlabel="score", ylabel="share of successes", title="reliability, fixed view")
    save_figure(figure, path)


def column_of(row: Row) -> tuple[str, ...]:
    """What the rows of a column share: objects, scene, protocol, view and depth."""
    return tuple(row[name] for name in COLUMN)


def _planner(row: Row) -> tuple[str, ...]:
    return (*column_of(row), row["model"])


def _attempts(row: Row) -> str:
    """Executed attempts, and the rounds that were lost to a crash, which no figure counts."""
    lost = row.get("crashed", 0)
    return f"{row['attempts']}, {lost} rounds lost" if lost else f"{row['attempts']}"


def _seeds(seeds: list[int] | None) -> str:
    """How many trainings stand behind a row, and their seeds; "-" where there is none to tell."""
    return f"{len(seeds)} ({', '.join(map(str, seeds))})" if seeds else "-"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
