"""The report of an evaluation, for people: figures, published ones beside them, objects, limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sim.clutter import cells
from sim.clutter.protocol_files import Protocol

Row = tuple[str, dict[str, Any]]
"""Name and summary of an evaluation, see `sim.clutter.metrics.summarise`."""
MAX_OBJECTS = 15
"""Objects listed one by one, those that fail most."""


def report(rows: Sequence[Row], protocol: Protocol | None = None) -> str:
    """Markdown: the table of figures, and under it what belongs to reading it.

    Args:
        rows: evaluations of one kind of scene and one view.
        protocol: what they were made under.
    """
    parts = [figures(rows), *(lost_rounds(name, summary) for name, summary in rows)]
    if protocol is not None:
        settings = rows[0][1]["settings"]
        parts.append(published_figures(protocol, settings["scene"], settings["view"]))
    parts += [score_error(name, summary) for name, summary in rows]
    for name, summary in rows:
        parts += [cells.markdown(summary.get("cells", {}))]
        parts += [object_rates(name, summary["per_object"])]
    if protocol is not None and protocol.cannot_reproduce:
        lines = "\n".join(f"- {sentence}" for sentence in protocol.cannot_reproduce)
        parts.append(f"What of '{protocol.name}' is not reproduced here:\n\n{lines}")
    return "\n\n".join(part for part in parts if part)


def figures(rows: Sequence[Row]) -> str:
    """Markdown table of named summaries."""
    lines = [
        "| evaluation | GSR % | std | 95 % | DR % | std | 95 % | successes/attempts/objects "
        "| no grasp | lost | failed attempts | planning ms (median, p95) |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, s in rows:
        rates = []
        for rate in (s["gsr"], s["dr"]):
            rates += [shown(rate["mean"]), shown(rate["std"]), interval(rate)]
        total = s["latency_ms"].get("total", {"median": "-", "p95": "-"})
        lines.append(
            f"| {name} | {' | '.join(rates)} | {s['successes']}/{s['attempts']}/{s['objects']} "
            f"| {s['rounds_without_grasp']} of {s['rounds']} | {s['objects_lost']} "
            f"| {failed_attempts(s)} | {total['median']}, {total['p95']} |"
        )
    return "\n".join(lines)


def shown(value: float | None) -> str:
    """A figure, or a hyphen for one that nobody knows, as the GSR where nothing was tried."""
    return "-" if value is None else f"{value}"


def interval(rate: Mapping[str, Any]) -> str:
    """The interval of a rate, or a hyphen."""
    low, high = rate["interval"]
    return "-" if low is None else f"{low} to {high}"


def lost_rounds(name: str, summary: Mapping[str, Any]) -> str:
    """A sentence on rounds that crashed or took too long, which no rate counts; empty for none."""
    lost = summary.get("crashed_rounds", 0)
    if not lost:
        return ""
    return (
        f"{name}: {lost} of {lost + summary['rounds']} rounds were lost to a crash or time-out and "
        "count in no figure; the same command plays them again."
    )


def failed_attempts(summary: Mapping[str, Any]) -> str:
    """Numbers of failed attempts by what became of them, the most frequent first; "-" for none."""
    found = sorted(summary.get("failures", {}).items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(f"{count} {fate.lower().replace('_', ' ')}" for fate, count in found) or "-"


def published_figures(protocol: Protocol, scene: str, view: str) -> str:
    """Markdown table of what was published under a protocol; empty if nothing was."""
    found = protocol.results(scene, view)
    if not found:
        return ""
    lines = [
        f"Published under '{protocol.name}' ({protocol.description}):",
        "",
        "| method | scene | GSR % | std | DR % | std | source |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found:
        rates = [shown(value) for value in (*row.gsr, *row.dr)]
        lines.append(f"| {row.method} | {row.scene} | {' | '.join(rates)} | {row.source} |")
    return "\n".join(lines)


def score_error(name: str, summary: Mapping[str, Any]) -> str:
    """A sentence on what scores are worth; empty where they are no probabilities."""
    if summary.get("ece") is None:
        return ""
    error, bins = f"{100 * summary['ece']:.1f} %", len(summary["reliability"])
    return (
        f"{name}: expected calibration error of the scores {error}, over {summary['attempts']} "
        f"attempts in {bins} bins of about equal count."
    )


def object_rates(name: str, per_object: Mapping[str, Mapping[str, int]]) -> str:
    """Markdown table of the objects that stayed most often, the worst first."""
    left = [
        (entry["present"] - entry["cleared"], entry["cleared"], entry["present"], each)
        for each, entry in per_object.items()
        if entry["cleared"] < entry["present"]
    ]
    total = len(per_object)
    head = f"{name}: {total - len(left)} of {total} objects were cleared whenever they were there"
    if not left:
        return f"{head}."
    left.sort(key=lambda entry: (-entry[0] / entry[2], -entry[0], entry[3]))
    shown = left[:MAX_OBJECTS]
    more = (
        f"; {len(left) - len(shown)} more stand in summary.json" if len(left) > len(shown) else ""
    )
    lines = [f"{head}; the others{more}:", "", "| object | cleared | present |", "|---|---|---|"]
    lines += [f"| {each} | {cleared} | {present} |" for _, cleared, present, each in shown]
    return "\n".join(lines)
