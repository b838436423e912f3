"""The two labellers on the same scenes in one run: agreement, and grasp points per core-second.

    python benchmarks/labelling.py [--quick] [--json results.json] [--record]

Every scene is built once and its grasps are labelled by both: `reference`, the published trial in
full with a freshly loaded gripper per trial, and `fast`, geometry first and a shortened trial for
what it leaves open. Costs are processor seconds of the worker process, so that waiting for a busy
machine does not count. A whole scene is build, render, propose, label and occupancy.
Then every yaw that `fast` calls good, and some that it calls bad, is tried in full in a world that
is freshly built from the scene as it would be written: by the mass of the object, how many hold.

Headline figures (`speedup`, `scene_speedup`, `agreement`) are those of the worse scene kind,
`holds` is that of the worst mass bin with at least 100 good yaws.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from typing import Any

from shared.mass_bins import holding_rows
from shared.results import command_line, processor

from data_gen.settings import DataDesign, SceneSettings
from equigrasp.data.files import write_atomically, write_json
from sim.objects.spec import SPLITS
from sim.scene.kinds import scene_kinds
from sim.workers.jobs import Failed, Job, Ok
from sim.workers.run import run_jobs

QUICK_SCENES = 3
MIN_GOOD = 100
"""A share of fewer yaws than this is no headline."""
SHARED_STAGES = ("build", "render", "propose", "occupancy")
"""Work on a scene that is the same whoever labels it."""


def measure(
    scenes: int, seed: int, settings: SceneSettings, workers: int
) -> dict[str, dict[str, Any]]:
    """Counts and processor seconds of every kind that models are trained on, summed over scenes.

    Raises:
        RuntimeError: if a scene fails; a comparison with holes would be no comparison.
    """
    kinds = {name: kind for name, kind in scene_kinds().items() if kind.trained_as == name}
    total = {kind: {"seconds": Counter(), "differences": Counter()} for kind in kinds}
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    holding: dict[str, dict[str, Counter[str]]] = {kind: {} for kind in kinds}

    def add(result: Ok | Failed) -> None:
        if isinstance(result, Failed):
            raise RuntimeError(f"scene {result.key} failed: {result.message}")
        kind, values = result.key[0], dict(result.value)
        for name in total[kind]:
            total[kind][name].update(values.pop(name))
        for mass, each in values.pop("holding").items():
            holding[kind].setdefault(mass, Counter()).update(each)
        counts[kind].update(values, scenes=1)

    jobs = [
        Job(
            (name, i),
            {"design": DataDesign(kind, seed, settings), "index": i},
        )
        for i in range(scenes)
        for name, kind in kinds.items()
    ]
    run_jobs(
        "shared.labellers:compare_scene",
        jobs,
        workers=workers,
        timeout_s=900,
        on_result=add,
    )
    return {kind: {**counts[kind], **total[kind], "holding": holding[kind]} for kind in kinds}


def figures(sums: dict[str, Any]) -> dict[str, Any]:
    """Rates and ratios of one scene kind.

    Raises:
        ValueError: if no grasp was labelled.
    """
    points, seconds = sums["points"], sums["seconds"]
    if not points:
        raise ValueError("no grasp was labelled; ask for more scenes")
    shared = sum(seconds[stage] for stage in SHARED_STAGES)
    positives = max(sums["positives_reference"], 1)
    return {
        "scenes": sums["scenes"],
        "points": points,
        "points_per_core_second_reference": points / seconds["reference"],
        "points_per_core_second_fast": points / seconds["fast"],
        "speedup": seconds["reference"] / seconds["fast"],
        "scenes_per_core_second_reference": sums["scenes"] / (shared + seconds["reference"]),
        "scenes_per_core_second_fast": sums["scenes"] / (shared + seconds["fast"]),
        "scene_speedup": (shared + seconds["reference"]) / (shared + seconds["fast"]),
        "agreement": sums["equal_points"] / points,
        "yaw_agreement": sums["equal_yaws"] / sums["yaws"],
        "positive_rate_reference": sums["positives_reference"] / points,
        "positive_rate_fast": sums["positives_fast"] / points,
        "bias": sums["positives_fast"] / positives - 1.0,
        "simulated_yaws_per_point": sums["simulated"] / points,
        "audited": sums["audited"],
        "audit_reversed": sums["audit_reversed"],
        "holding": holding_rows(sums["holding"]),
        **{f"scene_seconds_{stage}": seconds[stage] / sums["scenes"] for stage in SHARED_STAGES},
    }


def headline(by_kind: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The flat result: the worse kind's figures first, then every figure of every kind."""
    flat = {
        name: min(values[name] for values in by_kind.values())
        for name in ("speedup", "scene_speedup", "agreement")
    }
    flat["bias"] = max((values["bias"] for values in by_kind.values()), key=abs)
    rows = [row for values in by_kind.values() for row in values["holding"]]
    flat["holds"] = min((r["good_holds"] for r in rows if r["good"] >= MIN_GOOD), default=None)
    for kind, values in by_kind.items():
        flat |= {f"{name}_{kind}": value for name, value in values.items()}
    return flat


ROWS = (
    ("points_per_core_second_{}", "points per core-second", "{:.1f}"),
    ("scenes_per_core_second_{}", "whole scenes per core-second", "{:.3f}"),
    ("positive_rate_{}", "share of points with a success", "{:.3f}"),
)


def agreement_rows(by_kind: dict[str, dict[str, Any]]) -> str:
    """Markdown table: labellers side by side, then what holds between them."""
    lines = ["| kind | figure | reference | fast | fast : reference |", "|---|---|---|---|---|"]
    for kind, values in by_kind.items():
        for key, title, form in ROWS:
            pair = [values[key.format(name)] for name in ("reference", "fast")]
            ratio = pair[1] / max(pair[0], 1e-9)
            cells = " | ".join(form.format(value) for value in pair)
            lines.append(f"| {kind} | {title} | {cells} | {ratio:.2f} |")
    lines += [
        "",
        "| kind | points | point agreement | yaw agreement | bias | simulated yaws / point",
    ]
    lines[-1] += " | audited (reversed) |"
    lines.append("|---|---|---|---|---|---|---|")
    for kind, v in by_kind.items():
        lines.append(
            f"| {kind} | {v['points']} | {v['agreement']:.4f} | {v['yaw_agreement']:.4f} |"
            f" {v['bias']:+.3f} | {v['simulated_yaws_per_point']:.2f} |"
            f" {v['audited']} ({v['audit_reversed']}) |"
        )
    return "\n".join(lines)


def holding_table(by_kind: dict[str, dict[str, Any]]) -> str:
    """Markdown table by scene kind and mass: what full trials in fresh worlds say of the labels."""
    lines = [
        "| kind | mass | yaws called good | of these hold | called bad | of these hold "
        "| reference agrees with a fresh trial |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, values in by_kind.items():
        for row in values["holding"]:
            shares = [row[name] for name in ("good_holds", "bad_holds", "reference_agrees")]
            good, bad, same = ("-" if share is None else f"{share:.1%}" for share in shares)
            lines.append(
                f"| {kind} | {row['mass']} | {row['good']} | {good} | {row['bad']} | {bad} "
                f"| {same} |"
            )
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    parser = command_line(__doc__, "labelling")
    add = parser.add_argument
    add("--scenes", type=int, default=40, help="scenes per kind")
    add("--points", type=int, default=SceneSettings.grasps_per_scene, help="grasp points per scene")
    add("--objects", default="default", help="object sets and folders, separated by commas")
    add("--split", choices=SPLITS, default="train", help="part of the objects")
    add("--seed", type=int, default=1000)
    add("--workers", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    return parser


def report(
    by_kind: dict[str, dict[str, Any]], differences: dict[str, Counter[str]], workers: int
) -> str:
    """What a person reads: machine, tables, and which outcomes differ."""
    machine = f"{processor()}, {os.cpu_count()} cores, {workers} workers"
    parts = [machine, agreement_rows(by_kind), holding_table(by_kind)]
    for kind, counts in differences.items():
        listed = ", ".join(f"{pair} {n}" for pair, n in sorted(counts.items())) or "none"
        parts.append(f"Yaws that differ, {kind} (reference>fast): {listed}")
    return "\n\n".join(parts)


def main() -> None:
    """Measure, print, and write files if asked."""
    arguments = parser().parse_args()
    if arguments.quick:
        arguments.scenes = QUICK_SCENES
    settings = SceneSettings(
        grasps_per_scene=arguments.points, objects=arguments.objects, split=arguments.split
    )
    sums = measure(arguments.scenes, arguments.seed, settings, arguments.workers)
    by_kind = {kind: figures(each) for kind, each in sums.items()}
    differences = {kind: each["differences"] for kind, each in sums.items()}
    text = report(by_kind, differences, arguments.workers)
    print(text)
    numbers = headline(by_kind) | {"cores": os.cpu_count() or 0}
    if arguments.json:
        write_json(arguments.json, numbers)
    if arguments.record:
        content = {"machine": {"cpu": processor()}, "numbers": numbers}
        write_json(arguments.result, content)
        write_atomically(arguments.result.with_suffix(".md"), f"# Labellers\n\n{text}\n")


if __name__ == "__main__":
    main()
