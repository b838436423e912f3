"""Success rates of an evaluation, with what is known of their errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any


def summarise(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Success rates per task and of all, in percent, with 95 % intervals, and failures by type.

    Args:
        rows: of all episodes, see `sim.keyframes.suite.episode_row`.

    Returns:
        JSON-able: `tasks` by name, `mean_success` over tasks, `interval` over episodes, `episodes`.
    """
    tasks = {}
    for task in dict.fromkeys(row["task"] for row in rows):
        own = [row for row in rows if row["task"] == task]
        wins = sum(row["success"] for row in own)
        tasks[task] = {
            "episodes": len(own),
            "success": 100 * wins / len(own),
            "interval": interval(wins, len(own)),
            "keyframes": sum(row["keyframes"] for row in own) / len(own),
            "failures": dict(Counter(row["failure"] for row in own if not row["success"])),
        }
    wins = sum(row["success"] for row in rows)
    return {
        "tasks": tasks,
        "mean_success": sum(found["success"] for found in tasks.values()) / len(tasks),
        "interval": interval(wins, len(rows)),
        "episodes": len(rows),
    }


def interval(wins: int, count: int) -> list[float]:
    """95 % interval of the share of `wins` in `count`, percent (Wilson's, sound near 0 and 100)."""
    from scipy.stats import binomtest

    found = binomtest(wins, count).proportion_ci(method="wilson")
    return [100 * float(found.low), 100 * float(found.high)]


def markdown_table(summary: Mapping[str, Any]) -> str:
    """A summary as a table in Markdown, a task a line, then the mean and those of `held_out`:
    summaries of episodes that are unlike demonstrations, by kind."""
    lines = [
        "| task | success % (95 %) | episodes | keyframes | failures |",
        "|---|---|---|---|---|",
    ]
    for task, found in summary["tasks"].items():
        low, high = found["interval"]
        why = ", ".join(f"{name} {count}" for name, count in found["failures"].items()) or "-"
        lines.append(
            f"| {task} | {found['success']:.1f} ({low:.1f} to {high:.1f}) | {found['episodes']} "
            f"| {found['keyframes']:.1f} | {why} |"
        )
    means = {"mean": summary}
    means |= {f"held out: {kind}": found for kind, found in summary.get("held_out", {}).items()}
    for name, found in means.items():
        low, high = found["interval"]
        lines.append(
            f"| {name} | {found['mean_success']:.1f} ({low:.1f} to {high:.1f}) "
            f"| {found['episodes']} | | |"
        )
    return "\n".join(lines)
