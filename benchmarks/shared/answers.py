"""Do draws of a policy hit every right answer? Counted for scenes that have several, and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.results import save_figure
from sim.workers.jobs import Failed, Job, Ok
from sim.workers.run import run_jobs

NEAR = 0.02
"""A draw hits an answer within this (m)."""
COUNTS = (1, 2, 4, 8, 16, 32, 64)
"""Numbers of draws that are compared."""
DRAWN = 8
"""Scenes of the picture."""


def drawn_scenes(
    policy: str, task: str, scenes: int, draws: int, workers: int = 1
) -> list[dict[str, Any]]:
    """What a policy draws for the first observations of new scenes, in their order.

    Args:
        policy: saved one, a path or a shipped name.
        task: whose first keyframe has several right answers.
        scenes: how many.
        draws: of each.
        workers: simulator processes.

    Raises:
        RuntimeError: a scene could not be drawn.
    """
    found: dict[Any, dict[str, Any]] = {}

    def keep(result: Ok | Failed) -> None:
        if isinstance(result, Failed):
            raise RuntimeError(f"scene {result.key} of {task}: {result.message}")
        found[result.key] = result.value

    same = {"policy": policy, "task": task, "seed": 0, "count": draws}
    jobs = [Job(index, {**same, "index": index}) for index in range(scenes)]
    run_jobs(
        "sim.keyframes.rollout:drawn_beginnings",
        jobs,
        workers=workers,
        timeout_s=300.0,
        on_result=keep,
    )
    return [found[index] for index in range(scenes)]


def hits(draws: NDArray[np.floating], answers: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which draws (N, 3) hit which answers (K, 3), both in metres: (N, K)."""
    return np.linalg.norm(draws[:, None] - answers[None], axis=-1) < NEAR


def coverage(scenes: Sequence[dict[str, Any]], count: int) -> float:
    """Share of right answers that at least one of so many draws hits: mean over scenes.

    All draws are used, in groups of `count`.
    """
    shares = []
    for scene in scenes:
        hit = hits(scene["draws"], scene["answers"])
        groups = len(hit) // count
        grouped = hit[: groups * count].reshape(groups, count, -1)
        shares.append(grouped.any(1).mean())
    return float(np.mean(shares))


def coverage_of_chance(scenes: Sequence[dict[str, Any]], count: int) -> float:
    """The same of draws that all hit, each answer equally often."""
    answers = np.array([len(scene["answers"]) for scene in scenes])
    return float(np.mean(1 - (1 - 1 / answers) ** count))


def answer_numbers(scenes: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Flat names to numbers of what was drawn."""
    hit = [hits(scene["draws"], scene["answers"]) for scene in scenes]
    numbers = {
        "draws_scenes": float(len(scenes)),
        "draws_per_scene": float(len(hit[0])),
        "draws_right_answers": float(np.mean([each.shape[1] for each in hit])),
        "draws_at_a_right_answer": float(np.mean([each.any(1).mean() for each in hit])),
        "draws_rarest_answer": float(np.mean([each.mean(0).min() for each in hit])),
    }
    for count in (count for count in COUNTS if count <= len(hit[0])):
        numbers[f"draws_coverage_n{count}"] = coverage(scenes, count)
        numbers[f"draws_coverage_of_chance_n{count}"] = coverage_of_chance(scenes, count)
    return numbers


def draw_scenes(scenes: Sequence[dict[str, Any]], path: Path) -> None:
    """Scenes from above with what was drawn and what is right, and coverage by number of draws."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = scenes[:DRAWN]
    figure, axes = plt.subplots(3, 3, figsize=(12, 11))
    for axis, scene in zip(axes.flat, shown, strict=False):
        xyz, colours = scene["xyz"], (scene["rgb"] + 1) / 2
        axis.scatter(-xyz[:, 1], xyz[:, 0], c=colours.clip(0, 1), s=6, marker="s")
        for answer in scene["answers"]:
            axis.add_patch(plt.Circle((-answer[1], answer[0]), NEAR, fill=False, lw=1.5))
        draws = scene["draws"]
        axis.plot(-draws[:, 1], draws[:, 0], "kx", ms=5, alpha=0.5)
        axis.set(title=scene["sentence"], aspect="equal", xlim=(-0.4, 0.4), ylim=(-0.05, 0.5))
    numbers = answer_numbers(scenes)
    counts = [count for count in COUNTS if f"draws_coverage_n{count}" in numbers]
    axis = axes.flat[-1]
    for name, label in (("coverage", "drawn"), ("coverage_of_chance", "each hits, all alike")):
        axis.plot(counts, [numbers[f"draws_{name}_n{n}"] for n in counts], ".-", label=label)
    axis.set(xlabel="draws", ylabel="share of right answers hit", xscale="log", ylim=(0, 1.02))
    axis.grid(alpha=0.3)
    axis.legend()
    for axis in axes.flat[len(shown) : -1]:
        axis.axis("off")
    save_figure(figure, path)
