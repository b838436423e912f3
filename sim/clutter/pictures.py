"""Pictures of an evaluation: why attempts failed, and what the first failures looked like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from equigrasp.data.files import atomic_path
from sim.clutter.protocol import EvalSettings
from sim.clutter.run import read_rounds
from sim.workers.jobs import Failed, Job, Ok
from sim.workers.run import run_jobs

MAX_PICTURES = 6


def write_pictures(out: Path, summary: dict[str, Any], settings: EvalSettings) -> None:
    """Write `failures.png` (counts) and pictures of the first failed attempts, if any."""
    _plot_failures(out / "failures.png", summary)
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
                "scenes": str(out.parent / "scenes.json"),
            },
        )
        for record, number in failed
        if (out.parent / "scenes.json").exists()
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
    settings: dict[str, Any], path: str, seed: int, index: int, attempts: list[dict], scenes: str
) -> None:
    """Draw the last of `attempts`: depth image and grasp. Runs in a worker process.

    The attempts before it are executed again as recorded, which leaves the scene as it was.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    from equigrasp.constants import FINGER_DEPTH, TCP_FROM_HAND
    from equigrasp.perception.camera import project
    from sim.clutter.rounds import _set_table, _specs, attempt_grasp, observe, recorded_grasp
    from sim.clutter.scene_lists import read_scene_list
    from sim.grasping.gripper import Gripper
    from sim.scene.builders import load_scene
    from sim.scene.world import World

    options = EvalSettings(**settings)
    scene = read_scene_list(Path(scenes), options.scene)[(seed, index)]
    specs = _specs(options.objects, options.scene)
    with World() as world:
        _set_table(world)
        load_scene(world, scene, specs)
        gripper = Gripper(world)
        for earlier in attempts[:-1]:
            attempt_grasp(world, gripper, recorded_grasp(earlier))
        seen = observe(world, scene, specs, options, (seed, index, len(attempts) - 1))
    attempt = attempts[-1]
    half = attempt["width"] / 2 if attempt["width"] > 0 else 0.04
    hand = np.array(
        [[0, half, 0], [0, half, -FINGER_DEPTH], [0, 0, -FINGER_DEPTH], [0, 0, -TCP_FROM_HAND],
         [0, 0, -FINGER_DEPTH], [0, -half, -FINGER_DEPTH], [0, -half, 0]]
    )  # fmt: skip
    T = np.array(attempt["pose"])
    pixels = project(hand @ T[:3, :3].T + T[:3, 3], seen.intrinsics, seen.T_world_camera)
    figure, axis = plt.subplots(figsize=(6.4, 5.2))
    axis.imshow(np.where(seen.depth < 1.5, seen.depth, np.nan), cmap="viridis")
    axis.plot(pixels[:, 0], pixels[:, 1], "r-", lw=2)
    where = f"seed {seed} round {index} attempt {len(attempts)}"
    axis.set_title(f"{where}: {attempt['fate'].lower()}, score {attempt['score']:.2f}")
    axis.axis("off")
    with atomic_path(path) as unfinished:
        figure.savefig(unfinished, dpi=80, bbox_inches="tight", format="png")
    plt.close(figure)


def _picture_name(record: dict[str, Any], number: int) -> str:
    return f"seed{record['seed']}_round{record['round']}_attempt{number + 1}.png"


def _plot_failures(path: Path, summary: dict[str, Any]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3))
    for axis, name in zip(axes, ("failures", "ends"), strict=True):
        entries = summary[name]
        axis.barh([key.lower() for key in entries], list(entries.values()), color="tab:blue")
        axis.set_title("failed attempts by fate" if name == "failures" else "how rounds ended")
    figure.tight_layout()
    with atomic_path(path) as unfinished:
        figure.savefig(unfinished, dpi=80, format="png")
    plt.close(figure)
