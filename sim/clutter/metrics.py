"""Grasp success rate, declutter rate and everything needed to read them.

GSR = successes / executed attempts; DR = successes / objects present after scene generation (not
the number asked for). Rounds that end without a grasp add no attempt to the GSR, so their number is
reported beside it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from equigrasp.reliability import reliability
from sim.clutter.cells import per_cell

RESAMPLES = 2000
RoundRecord = dict[str, Any]


def summarise(records: Sequence[RoundRecord], crashed: int = 0) -> dict[str, Any]:
    """Summary of the rounds of one evaluation.

    Args:
        records: what `run_round` returned.
        crashed: rounds lost to a crash or time-out; they count in no other number.

    Returns:
        JSON-able numbers; rates and intervals in percent, latencies in milliseconds. `std` is the
        population standard deviation over seeds (as published), `interval` the central 95 % of a
        bootstrap over rounds, drawn within each seed. `reliability` and `ece` compare scores of
        executed grasps with outcomes, see `score_reliability`. `cells` is empty unless the objects
        lie in a grid, see `sim.clutter.cells.per_cell`.
    """
    by_seed: dict[int, list[RoundRecord]] = defaultdict(list)
    for record in records:
        by_seed[record["seed"]].append(record)
    seeds = [by_seed[seed] for seed in sorted(by_seed)]
    attempts = [attempt for record in records for attempt in record["attempts"]]
    ends = Counter(record["end"] for record in records)
    fates = Counter(a["fate"] for a in attempts if not a["success"])
    objects = per_object(records)
    return {
        "rounds": len(records),
        "seeds": len(seeds),
        "crashed_rounds": crashed,
        "objects": sum(record["objects"] for record in records),
        "attempts": len(attempts),
        "successes": sum(a["success"] for a in attempts),
        "objects_lost": sum(len(record["lost"]) for record in records),
        "rounds_without_grasp": ends.get("no_grasp", 0),
        "gsr": _rate(seeds, gsr),
        "dr": _rate(seeds, dr),
        "ends": dict(sorted(ends.items())),
        "failures": dict(sorted(fates.items())),
        **score_reliability(attempts),
        "latency_ms": latencies([a["timings"] for a in attempts]),
        "per_object": objects,
        "cells": per_cell(objects),
    }


def counts(records: Sequence[RoundRecord]) -> tuple[int, int, int]:
    """(successes, attempts, objects) over rounds."""
    successes = sum(a["success"] for record in records for a in record["attempts"])
    attempts = sum(len(record["attempts"]) for record in records)
    return successes, attempts, sum(record["objects"] for record in records)


def gsr(records: Sequence[RoundRecord]) -> float:
    """Successes per executed attempt in percent; NaN without attempts."""
    successes, attempts, _ = counts(records)
    return 100.0 * successes / attempts if attempts else float("nan")


def dr(records: Sequence[RoundRecord]) -> float:
    """Successes per object present in percent; NaN without objects."""
    successes, _, objects = counts(records)
    return 100.0 * successes / objects if objects else float("nan")


def _rate(seeds: Sequence[Sequence[RoundRecord]], rate: Any) -> dict[str, Any]:
    per_seed = [rate(records) for records in seeds]
    known = [value for value in per_seed if np.isfinite(value)]
    pooled = [record for records in seeds for record in records]
    low, high = bootstrap(seeds, rate)
    return {
        "mean": _number(np.mean(known)) if known else None,
        "std": _number(np.std(known)) if known else None,
        "pooled": _number(rate(pooled)),
        "interval": [_number(low), _number(high)],
        "per_seed": [_number(value) for value in per_seed],
    }


def bootstrap(
    seeds: Sequence[Sequence[RoundRecord]], rate: Any, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Central 95 % of a pooled rate when rounds are redrawn within every seed."""
    rng = np.random.default_rng(0)
    tables = [np.array([counts([r]) for r in records]) for records in seeds if records]
    column = 1 if rate is gsr else 2
    values = np.full(resamples, np.nan)
    for i in range(resamples if tables else 0):
        total = sum(t[rng.integers(len(t), size=len(t))].sum(0) for t in tables)
        values[i] = 100.0 * total[0] / total[column] if total[column] else np.nan
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def latencies(timings: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Median and 95th percentile per planning stage, milliseconds."""
    stages = sorted({stage for entry in timings for stage in entry})
    found = {}
    for stage in stages:
        values = 1e3 * np.array([entry[stage] for entry in timings if stage in entry])
        found[stage] = {
            "median": round(float(np.median(values)), 2),
            "p95": round(float(np.percentile(values, 95)), 2),
        }
    return found


def score_reliability(attempts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the scores of executed grasps were worth.

    Returns:
        "reliability": bins of about equally many attempts, see `Reliability.to_rows`; "ece": their
        expected calibration error in [0, 1]. Empty and None where there are no attempts, or where
        scores are no probabilities.
    """
    scores = [attempt.get("score", np.nan) for attempt in attempts]
    if not scores or not all(0.0 <= score <= 1.0 for score in scores):
        return {"reliability": [], "ece": None}
    found = reliability(scores, [bool(a["success"]) for a in attempts], equal_mass=True)
    return {"reliability": found.to_rows(), "ece": round(found.ece, 4)}


def per_object(records: Sequence[RoundRecord]) -> dict[str, dict[str, int]]:
    """Object id -> how often it was present and how often it was cleared."""
    present = Counter(name for record in records for name in record["object_ids"])
    cleared = Counter(a["object"] for record in records for a in record["attempts"] if a["success"])
    return {n: {"present": present[n], "cleared": cleared.get(n, 0)} for n in sorted(present)}


def _number(value: float) -> float | None:
    return None if not np.isfinite(value) else round(float(value), 2)
