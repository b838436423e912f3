"""Who is ahead of whom: differences of rates over the rounds that both planners played.

Planners that clear the same scenes share what makes a scene hard, so the interval of their
difference is narrower than their own intervals suggest.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim.clutter.metrics import RESAMPLES, counts

OURS, OTHERS = ("equigiga", "equiigd"), ("giga", "igd")
COLUMN = ("objects", "scene", "protocol", "view", "depth")
"""What the rows of a column of the table share."""
RATES = {"gsr": 1, "dr": 2}
"""Rates and the column of (successes, attempts, objects) that divides the successes."""

Row = dict[str, Any]
Played = dict[tuple[int, int], tuple[tuple[int, int, int], str]]


def outcomes(path: Path) -> dict[str, str]:
    """Seed -> its rounds in a few bytes each, from the `rounds.jsonl` of an evaluation.

    A round is `NUMBER:SUCCESSES/ATTEMPTS/OBJECTS:DIGEST`; the digest is of the objects' names.
    """
    found: dict[str, list[str]] = {}
    for record in sorted(map(json.loads, path.read_text().splitlines()), key=lambda r: r["round"]):
        numbers = "/".join(map(str, counts([record])))
        digest = zlib.crc32(" ".join(record["object_ids"]).encode()) & 0xFFFF
        text = f"{record['round']}:{numbers}:{digest:04x}"
        found.setdefault(str(record["seed"]), []).append(text)
    return {seed: " ".join(texts) for seed, texts in sorted(found.items())}


def difference(first: dict[str, str], second: dict[str, str]) -> dict[str, Any] | None:
    """How far the first planner is ahead of the second, in points.

    Args:
        first: `outcomes` of a planner.
        second: of the other one.

    Returns:
        `rounds`, their number, and for each of `RATES` the difference with the central 95 % of a
        bootstrap that redraws rounds within every seed, for both planners alike; None for a rate
        that one of them does not have, as the GSR of a planner that tried nothing. None if there
        is no round with the same objects.
    """
    ours, others = _read(first), _read(second)
    common = [key for key in ours if key in others and ours[key][1] == others[key][1]]
    if not common:
        return None
    seeds: dict[int, list[tuple[tuple[int, ...], tuple[int, ...]]]] = {}
    for key in sorted(common):
        seeds.setdefault(key[0], []).append((ours[key][0], others[key][0]))
    tables = [np.array(pairs) for pairs in seeds.values()]  # (rounds, 2, 3) each
    rng = np.random.default_rng(0)
    drawn = np.zeros((RESAMPLES, 2, 3))
    for pairs in tables:
        drawn += pairs[rng.integers(len(pairs), size=(RESAMPLES, len(pairs)))].sum(1)
    total = sum(pairs.sum(0) for pairs in tables)[None]
    found: dict[str, Any] = {"rounds": len(common)}
    for rate, column in RATES.items():
        points = _ahead(total, column)[0]
        if np.isnan(points):
            found[rate] = None
            continue
        low, high = np.nanpercentile(_ahead(drawn, column), (2.5, 97.5))
        found[rate] = [float(x) for x in (points, low, high)]
    return found


def markdown(rows: Sequence[Row]) -> str:
    """Markdown: `OURS` against `OTHERS` in every column that both have rounds of."""
    played = {(*(r[name] for name in COLUMN), r["model"]): r.get("outcomes") for r in rows}
    lines = [
        f"| {', '.join(COLUMN)} | ahead | of | rounds of both | GSR points (95 %) "
        "| DR points (95 %) |"
    ]
    lines.append("|---|---|---|---|---|---|")
    for column in sorted({key[:-1] for key in played}):
        for model in OURS:
            for other in OTHERS:
                pair = [played.get((*column, name)) for name in (model, other)]
                found = difference(*pair) if all(pair) else None
                if found is None:
                    continue
                points = map(_shown, (found[rate] for rate in RATES))
                cells = [", ".join(column), model, other, str(found["rounds"]), *points]
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(points: Sequence[float] | None) -> str:
    return "-" if points is None else "{:+.1f} ({:+.1f} to {:+.1f})".format(*points)


def _ahead(totals: np.ndarray, column: int) -> np.ndarray:
    """Differences (n,) in points of (n, 2, 3) sums over rounds; NaN without attempts."""
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = 100.0 * totals[..., 0] / totals[..., column]
    return rates[:, 0] - rates[:, 1]


def _read(outcomes: dict[str, str]) -> Played:
    found: Played = {}
    for seed, texts in outcomes.items():
        for text in texts.split():
            number, counts, digest = text.split(":")
            successes, attempts, objects = map(int, counts.split("/"))
            found[int(seed), int(number)] = ((successes, attempts, objects), digest)
    return found
