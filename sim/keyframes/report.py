"""Success rates of an evaluation as a summary, a table and films."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from equigrasp.data.files import write_atomically


def summarise(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Success rates per task and of all, in percent, with 95 % intervals, and failures by type."""
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
    """95 % interval of a share in percent (Wilson's, sound near 0 and 100 too)."""
    from scipy.stats import binomtest

    found = binomtest(wins, count).proportion_ci(method="wilson")
    return [100 * float(found.low), 100 * float(found.high)]


def table(summary: Mapping[str, Any]) -> str:
    """Markdown."""
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
    low, high = summary["interval"]
    lines.append(
        f"| mean | {summary['mean_success']:.1f} ({low:.1f} to {high:.1f}) "
        f"| {summary['episodes']} | | |"
    )
    return "\n".join(lines)


def write_film(path: Path, images: Sequence[Any]) -> None:
    """Images (H, W, 3) as a GIF, two a second."""
    import io

    from PIL import Image

    frames = [Image.fromarray(image) for image in images]
    target = io.BytesIO()
    frames[0].save(target, "GIF", save_all=True, append_images=frames[1:], duration=500, loop=0)
    write_atomically(path, target.getvalue())


def film_name(row: Mapping[str, Any]) -> str:
    """File name that tells the episode and how it ended."""
    end = "success" if row["success"] else row["failure"]
    return f"{row['task']}_{row['seed']}_{row['index']}_{end}.gif"
