"""One pile and one packed scene, seen in one depth image, cleared grasp by grasp in simulation.

    python examples/demo.py --out outputs/demo

What a user of a real camera would copy is in `plan_from_files.py`. Simulators run in workers.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from equigrasp.data.files import atomic_path
from equigrasp.interruption import interrupted
from equigrasp.viewer import save_pictures
from sim.clutter.planners import planner_class
from sim.clutter.protocol import EvalSettings
from sim.clutter.story import Story, draw_story, told
from sim.scene.choice import SIMULATOR_HELP, SIMULATORS, choose
from sim.scene.kinds import find_kind
from sim.workers.jobs import Failed, Job, Ok
from sim.workers.run import run_jobs

SCENES = ("packed", "pile")
TIME_LIMIT = 900.0
"""Longest time for a scene, in seconds; on a free machine it takes a few."""


def main(arguments: list[str] | None = None) -> int:
    """Clear one scene of each kind side by side; print and draw what happened."""
    options = parse(arguments)
    folder, begin, done = Path(options.out), time.perf_counter(), []

    def show(result: Ok | Failed) -> None:
        if isinstance(result, Failed):
            print(f"\n{result.key}: {result.told}")
            return
        done.append(result.key)
        print(f"\n== {result.key}: {told(result.value)}")
        draw(result.key, result.value, folder)

    try:
        jobs = [Job(kind, job(kind, options)) for kind in SCENES]
    except (FileNotFoundError, ValueError, ImportError) as error:  # no such weights, no simulator
        print(error)
        return 1
    print("building, planning and clearing objects, packed and in a pile ...")
    function = "sim.clutter.story:play_story"
    try:
        run_jobs(function, jobs, workers=2, timeout_s=TIME_LIMIT, on_result=show)
    except KeyboardInterrupt:
        return interrupted("the same command begins anew")
    if len(done) < len(SCENES):
        return 1
    print(f"\n{time.perf_counter() - begin:.0f} s in all; pictures: {folder}/")
    return 0


def job(kind: str, options: argparse.Namespace) -> dict:
    """What the worker process gets for one kind of scene."""
    model = options.model.format(scene=kind)
    hand = planner_class(model).hand_for(model)
    choice = choose(options.simulator, "default", find_kind(kind).objects)
    if choice.line:
        print(f"{kind}: {choice.line}")
    chosen = {"simulator": choice.simulator, "objects": choice.objects}
    settings = EvalSettings(scene=kind, model=model, hand=hand.to_dict(), **chosen)
    files = hand.to_dict(folders=True)
    return {"settings": settings.to_dict(), "seed": options.seed, "index": 0, "hand": files}


def draw(kind: str, story: Story, folder: Path) -> None:
    """Write the pictures of one scene: the first look, and the story from before to after."""
    if story.looks:
        first = story.looks[0]
        save_pictures(
            folder, first.depth, first.intrinsics, first.T_world_camera, first.plan, f"{kind}_"
        )
    title = f"{kind}: {len(story.record['object_ids'])} objects, before to after"
    with atomic_path(folder / f"{kind}_story.png") as unfinished:
        draw_story(story, title).savefig(unfinished, dpi=110, format="png")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--out", default="outputs/demo", help="folder for the pictures")
    parser.add_argument("--simulator", choices=SIMULATORS, help=SIMULATOR_HELP)
    parser.add_argument("--seed", type=int, default=0, help="of the scenes and the noise")
    parser.add_argument(
        "--model", default="equigiga_{scene}", help="name or path; {scene} becomes packed or pile"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
