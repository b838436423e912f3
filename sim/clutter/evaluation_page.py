"""The page of clutter evaluations: figures, reliability, failures, objects, telling rounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from equigrasp.page import Page
from sim.clutter import pictures
from sim.clutter.figures import failed_attempts, interval
from sim.clutter.run import read_rounds

Summary = dict[str, Any]
ROUNDS = 8
"""So many of the best and of the worst rounds are told."""
HEAD = (
    "evaluation",
    "GSR %",
    "95 %",
    "DR %",
    "95 %",
    "rounds",
    "attempts",
    "calibration error %",
    "planning ms (median, p95)",
    "failed attempts",
)


def evaluations(folder: Path) -> list[Path]:
    """Folders below one that hold an evaluation, in order."""
    return sorted(path.parent for path in folder.rglob("summary.json"))


def figures_row(name: str, summary: Summary) -> list[Any]:
    """One row under `HEAD`."""
    rates: list[Any] = []
    for rate in (summary["gsr"], summary["dr"]):
        rates += [rate["mean"], interval(rate)]
    total = summary["latency_ms"].get("total", {})
    ece = summary.get("ece")
    return [
        name,
        *rates,
        _rounds(summary),
        summary["attempts"],
        None if ece is None else round(100 * ece, 1),
        f"{total.get('median', '-')}, {total.get('p95', '-')}",
        failed_attempts(summary),
    ]


def _rounds(summary: Summary) -> int | str:
    """Rounds that were played, and how many crashed or took too long, which no rate counts."""
    lost = summary.get("crashed_rounds", 0)
    return f"{summary['rounds']}, and {lost} lost" if lost else summary["rounds"]


def add_evaluations(page: Page, folder: Path, found: list[Path]) -> None:
    """Add a table of evaluations, and a part on each, to a page.

    Args:
        page: that grows.
        folder: that holds them; names are relative to it.
        found: their folders, see `evaluations`.
    """
    summaries = [json.loads((path / "summary.json").read_text()) for path in found]
    names = [str(path.relative_to(folder)) if path != folder else path.name for path in found]
    rows = [figures_row(*each) for each in zip(names, summaries, strict=True)]
    page.table(HEAD, rows)
    for name, path, summary in zip(names, found, summaries, strict=True):
        page.heading(name)
        _add_evaluation(page, path, summary)


def _add_evaluation(page: Page, path: Path, summary: Summary) -> None:
    page.figure(
        pictures.draw_counts(summary), "attempts by what became of them, and rounds by their end"
    )
    if summary["reliability"]:
        page.figure(pictures.draw_reliability(summary), "share of successes by score")
    for picture in sorted((path / "failures").glob("*.png")):
        page.picture(picture, f"failed attempt {picture.stem}")
    objects = sorted(
        ([each, n["cleared"], n["present"]] for each, n in summary["per_object"].items()),
        key=lambda row: (row[1] / row[2], -row[2], row[0]),
    )
    left = sum(cleared < present for _, cleared, present in objects)
    folded = f"Objects: {len(objects) - left} of {len(objects)} cleared whenever they were there"
    page.table(("object", "cleared", "present"), objects, folded=folded)
    records = path / "rounds.jsonl"
    if records.is_file():
        told = sorted(map(_told, read_rounds(records)), key=lambda row: (row[2], -row[4], row[:2]))
        head = ("seed", "round", "cleared", "objects", "failures", "end", "attempts")
        page.table(head, told[:ROUNDS], folded="Worst rounds")
        page.table(head, told[::-1][:ROUNDS], folded="Best rounds")
    page.settings(summary["settings"], "Settings")


def _told(record: dict[str, Any]) -> list[Any]:
    """A round in a line: what was tried, in order, with scores."""
    attempts = record["attempts"]
    cleared = sum(attempt["success"] for attempt in attempts)
    story = ", ".join(
        f"{a['object'] if a['success'] else a['fate'].lower().replace('_', ' ')} ({a['score']:.2f})"
        for a in attempts
    )
    share = cleared / max(record["objects"], 1)
    failures = len(attempts) - cleared
    where = [record["seed"], record["round"]]
    return [*where, round(share, 2), record["objects"], failures, record["end"], story]
