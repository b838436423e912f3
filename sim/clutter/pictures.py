"""Pictures of an evaluation: why attempts failed, and what the first failures looked like."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from equigrasp.data.files import atomic_path
from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA, Hand
from equigrasp.perception.camera import project
from equigrasp.viewer import gripper_lines
from sim.clutter.cells import Counts, grid
from sim.clutter.protocol import EvalSettings
from sim.clutter.rounds import Round, recorded_grasp, replay
from sim.clutter.run import read_rounds
from sim.clutter.scene_lists import read_scene_list
from sim.workers.jobs import Failed, Job, Ok
from sim.workers.run import run_jobs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.clutter.scene_view import SceneView

MAX_PICTURES = 6
FAR = 1.5
"""Readings beyond this are left white, metres."""


def write_pictures(
    out: Path, summary: dict[str, Any], settings: EvalSettings, hand: Hand = PANDA
) -> None:
    """Write `failures.png` (counts), `reliability.png` and pictures of the first failed attempts;
    for objects of a grid also `cells.png`.

    Args:
        out: folder of the evaluation.
        summary, settings, hand: of the evaluation.
    """
    with atomic_path(out / "failures.png") as unfinished:
        draw_counts(summary).savefig(unfinished, dpi=80, format="png")
    if summary["reliability"]:
        with atomic_path(out / "reliability.png") as unfinished:
            draw_reliability(summary).savefig(unfinished, dpi=80, format="png")
    if summary.get("cells"):
        with atomic_path(out / "cells.png") as unfinished:
            draw_cells(summary["cells"]).savefig(unfinished, dpi=90, format="png")
    scenes = out.parent / "scenes.json"
    failed = [
        (record, number)
        for record in read_rounds(out / "rounds.jsonl")
        for number, attempt in enumerate(record["attempts"])
        if not attempt["success"]
    ][:MAX_PICTURES]
    jobs = [
        Job(
            (record["seed"], record["round"], number),
            {
                "settings": settings.to_dict(),
                "path": str(out / "failures" / _picture_name(record, number)),
                "seed": record["seed"],
                "index": record["round"],
                "attempts": record["attempts"][: number + 1],
                "scenes": str(scenes),
                "hand": hand.to_dict(folders=True),
            },
        )
        for record, number in failed
        if scenes.exists()
    ]
    problems: list[Failed] = []

    def note(result: Ok | Failed) -> None:
        if isinstance(result, Failed):
            problems.append(result)

    function = "sim.clutter.pictures:picture_failure"
    run_jobs(function, jobs, workers=1, timeout_s=120.0, on_result=note)
    for problem in problems:
        print(f"no picture of round {problem.key}: {problem.message}")


def picture_failure(
    settings: dict[str, Any],
    path: str,
    seed: int,
    index: int,
    attempts: list[dict],
    scenes: str,
    hand: dict[str, Any],
) -> None:
    """Draw the last of `attempts`: depth image and grasp. Runs in a worker process."""
    options = EvalSettings(**settings)
    scene = read_scene_list(Path(scenes), options.scene)[(seed, index)]
    grasping = Hand.of(hand)
    seen = replay(Round(options, scene, seed, index, grasping), attempts[:-1])
    attempt = attempts[-1]
    figure = Figure(figsize=(6.4, 5.2))
    axes = figure.add_subplot()
    axes.imshow(np.where(seen.depth < FAR, seen.depth, np.nan), cmap="viridis")
    outline_hand(axes, recorded_grasp(attempt), seen, grasping)
    where = f"seed {seed} round {index} attempt {len(attempts)}"
    axes.set_title(f"{where}: {attempt['fate'].lower()}, score {attempt['score']:.2f}")
    axes.axis("off")
    with atomic_path(path) as unfinished:
        figure.savefig(unfinished, dpi=80, bbox_inches="tight", format="png")


def outline_hand(axes: Axes, grasp: Grasp, seen: SceneView, hand: Hand = PANDA) -> None:
    """Draw a hand over a depth image of the scene."""
    corners = gripper_lines(grasp, hand).reshape(-1, 3)
    ends = project(corners, seen.intrinsics, seen.T_world_camera)[:, :2].reshape(-1, 2, 2)
    axes.add_collection(LineCollection(ends, colors="black", linewidths=5))
    axes.add_collection(LineCollection(ends, colors="white", linewidths=2))


def draw_counts(summary: dict[str, Any]) -> Figure:
    """Bars: failed attempts by fate, and rounds by how they ended."""
    figure = Figure(figsize=(9, 3), layout="tight")
    titles = {"failures": "failed attempts by fate", "ends": "how rounds ended"}
    for axes, (name, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        entries = summary[name]
        axes.barh([key.lower() for key in entries], list(entries.values()), color="tab:blue")
        axes.set_title(title)
    return figure


def draw_reliability(summary: dict[str, Any]) -> Figure:
    """Share of successes over the mean score of each bin, and how many attempts a bin holds."""
    bins = summary["reliability"]
    score, success, count = (np.array([b[k] for b in bins]) for k in ("score", "success", "count"))
    figure = Figure(figsize=(4.5, 5.4), layout="tight")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color="gray", lw=1)
    error = np.sqrt(success * (1 - success) / count)
    upper.errorbar(score, success, error, fmt="o", color="tab:blue", capsize=3)
    upper.set(ylim=(-0.05, 1.05), ylabel="share that succeeded")
    upper.set_title(f"calibration error {100 * summary['ece']:.1f} %, {count.sum()} attempts")
    lower.bar(score, count, width=0.02, color="tab:blue")
    lower.set(xlim=(0, 1), xlabel="score of the executed grasp", ylabel="attempts")
    return figure


def draw_cells(cells: Mapping[str, Counts]) -> Figure:
    """Picture of the grid: share cleared as colour, counts as text; grey where nothing was tried.

    Args:
        cells: what `sim.clutter.cells.per_cell` returned.
    """
    letters, numbers = grid(cells)
    share = np.full((len(letters), len(numbers)), np.nan)
    figure = Figure(figsize=(1.6 + 0.75 * len(numbers), 1.6 + 0.6 * len(letters)), layout="tight")
    axes = figure.add_subplot()
    for cell, counts in cells.items():
        row, column = letters.index(cell[0]), numbers.index(int(cell[1:]))
        share[row, column] = counts["cleared"] / counts["present"]
        text = f"{counts['cleared']}/{counts['present']}"
        axes.text(column, row, text, ha="center", va="center", fontsize=9)
    axes.set_facecolor("#d5d8dc")
    shown = axes.imshow(share, cmap="RdYlGn", vmin=0, vmax=1, alpha=0.8)
    axes.set(xlabel="difficulty", ylabel="complexity", title="objects cleared, of those present")
    axes.set_xticks(range(len(numbers)), [str(number) for number in numbers])
    axes.set_yticks(range(len(letters)), letters)
    figure.colorbar(shown, ax=axes, label="share cleared")
    return figure


def _picture_name(record: dict[str, Any], number: int) -> str:
    return f"seed{record['seed']}_round{record['round']}_attempt{number + 1}.png"
