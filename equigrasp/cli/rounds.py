"""A recorded round of an evaluation, played again for somebody who wants to see it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from equigrasp.cli.page import predictions, result_of
from equigrasp.data.files import read_json
from equigrasp.weights import load_model
from sim.clutter.planners import WEIGHTS, planner_class, planner_classes
from sim.clutter.protocol import EvalSettings
from sim.clutter.run import read_rounds
from sim.clutter.scene_lists import build_scene_list, read_scene_list
from sim.workers.jobs import Failed, Job, Ok
from sim.workers.run import run_jobs

if TYPE_CHECKING:
    from equigrasp.moment import Moment
    from sim.clutter.story import Story

TIME_LIMIT = 900.0
"""Longest time for a round, seconds; on a free machine it takes a few."""
RECORDS = "rounds.jsonl"


def find_run(folder: Path) -> Path:
    """The folder below one that holds the rounds of an evaluation.

    Raises:
        ValueError: there is none, or several.
    """
    found = sorted(path.parent for path in folder.rglob(RECORDS))
    if len(found) != 1:
        told = f"holds {len(found)} evaluations ({', '.join(map(str, found))}); name one"
        raise ValueError(f"{folder} {told if found else 'holds no evaluation: no ' + RECORDS}")
    return found[0]


def play_again(
    folder: Path, seed: int, index: int, scene_list: Path | None = None
) -> tuple[Story, str | None]:
    """A recorded round, played again in a worker process, and the weights that planned it.

    Args:
        folder: of an evaluation.
        seed, index: seed and number of the round.
        scene_list: where the evaluation took its scenes from; by default its own list.

    Returns:
        the round, and the name or path of the weights, None if no weights planned.

    Raises:
        ValueError: no such round; one whose scene is lost; one that cannot be played.
    """
    run = find_run(folder)
    records = {(r["seed"], r["round"]): r for r in read_rounds(run / RECORDS)}
    if (seed, index) not in records:
        there = ", ".join(f"{s}/{r}" for s, r in sorted(records)[:20]) or "none"
        raise ValueError(f"there is no round {index} of seed {seed}; seed/round are {there}")
    record, told = records[seed, index], read_json(run / "settings.json")
    settings = EvalSettings(**told)
    path, key = scene_list or run.parent / "scenes.json", (seed, index)
    known = read_scene_list(path, settings.scene) if path.exists() else {}
    scene = known.get(key) or build_scene_list(settings, [key], 1)[key]
    if [body.object_id for body in scene.bodies] != record["object_ids"]:
        raise ValueError(f"the scene of {path} holds other objects than the round; --scene-list")
    print(f"playing {len(record['attempts'])} grasps again ...", flush=True)
    kwargs = {"settings": told, "scene": scene.to_json(), "record": record, "hand": settings.hand}
    story = _played(Job(key, kwargs))
    ours = planner_class(settings.model) is planner_classes()[WEIGHTS]
    return story, settings.model if ours else None


def _played(job: Job) -> Story:
    results: list[Ok | Failed] = []
    function = "sim.clutter.story:replay_story"
    run_jobs(function, [job], workers=1, timeout_s=TIME_LIMIT, on_result=results.append)
    (result,) = results
    if isinstance(result, Failed):
        raise ValueError(f"the round cannot be played again: {result.told}")
    return result.value


def moments_of(story: Story, model: str | None) -> list[Moment]:
    """A round as a page shows it: one moment before each attempt, and one at the end.

    Args:
        story: the round.
        model: weights whose predictions are shown with it; None for none.
    """
    from equigrasp.moment import Moment
    from sim.clutter.story import FATES

    network: Any = None if model is None else load_model(model)
    attempts, found = story.record["attempts"], []
    for number, (look, attempt) in enumerate(zip(story.looks, attempts, strict=True), 1):
        thing = f" ({attempt['object']})" if attempt["object"] else ""
        title = f"**step {number} of {len(attempts)}**: {FATES[attempt['fate']]}{thing}"
        more = {} if network is None else predictions(network, look.plan.tsdf)
        view = look.depth, look.intrinsics, look.T_world_camera
        found.append(Moment.of_plan(*view, look.plan, title=title, **more))
    after = story.after
    last = Moment.of_plan(
        after.depth,
        after.intrinsics,
        after.T_world_camera,
        result_of([], hand=story.hand),
        title=f"**the end**: {story.record['left']} left: {story.end}",
    )
    return [*found, last]
