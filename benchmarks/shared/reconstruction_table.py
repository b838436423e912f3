"""Figures of reconstructed shapes as a table, and those that were recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

COLUMNS = {
    "iou": ("IoU", ".3f"),
    "chamfer_mm": ("Chamfer-L1 mm", ".2f"),
    "normals": ("normal consistency", ".3f"),
    "f_score": ("F-score (3 mm)", ".3f"),
    "mesh_ms": ("depth to mesh, ms", ".0f"),
}
SMOOTH = "_smooth"


def markdown(numbers: Mapping[str, float]) -> str:
    """A row per scene kind, model and smoothing, from flat names KIND_MODEL_FIGURE[_smooth]."""
    titles = " | ".join(title for title, _ in COLUMNS.values())
    lines = [f"| scenes | model | surface | {titles} |", "|---" * (3 + len(COLUMNS)) + "|"]
    for name in numbers:
        for ending, surface in (("", "as it is"), (SMOOTH, "smoothed")):
            stem, found, rest = name.partition("_iou")
            if found and rest == ending:
                kind, model = stem.split("_", 1)
                values = [
                    format(numbers[f"{stem}_{key}{ending}"], form)
                    for key, (_, form) in COLUMNS.items()
                ]
                lines.append(f"| {kind} | {model} | {surface} | {' | '.join(values)} |")
    return "\n".join(lines)


def recorded(path: Path) -> dict[str, float]:
    """Figures that `benchmarks/reconstruction.py --record` wrote; none if it never did."""
    return json.loads(path.read_text())["numbers"] if path.exists() else {}
