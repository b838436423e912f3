"""One pile and one packed scene, seen in one depth image, cleared grasp by grasp in simulation.

    python examples/demo.py --out outputs/demo

What a user of a real camera would copy are the two lines with `planner` in `clear_scene`: a depth
image, its intrinsics and its pose in, ranked grasps out. The rest builds the scenes, executes the
grasps and draws. Simulators run in worker processes, as everywhere in this project.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view, project
from equigrasp.perception.noise import apply_noise
from equigrasp.planner import GraspPlanner, PlanResult
from equigrasp.viewer import gripper_lines, save_pictures
from sim.workers.jobs import Failed, Job, Ok
from sim.workers.run import run_jobs

if TYPE_CHECKING:
    from sim.objects.spec import ObjectSpec
    from sim.scene.builders import Scene
    from sim.scene.world import World

SCENES = ("packed", "pile")
NUM_OBJECTS = 5
MAX_FAILURES = 2
"""A scene is given up after so many failures in a row, as in the published protocol."""
TIME_LIMIT = 900.0
"""Longest time for a scene, in seconds; on a free machine it takes a few."""

FATES = {
    "SUCCESS": "lifted an object",
    "COLLISION_START": "failed: the hand hit something at once",
    "COLLISION_APPROACH": "failed: the hand hit something on its way",
    "EMPTY_CLOSE": "failed: nothing between the fingers",
    "SLIPPED": "failed: the object slipped out",
}


@dataclass(frozen=True)
class Attempt:
    """One look at the table and one grasp."""

    depth: np.ndarray
    plan: PlanResult
    fate: str


@dataclass(frozen=True)
class Round:
    """How the clearing of one scene went.

    Attributes:
        objects: ids of the objects that were there.
        attempts: in order.
        left, lost: objects still there at the end, and pushed out of the workspace.
        after: (H, W) depth image of the end.
        end: why it ended.
    """

    objects: tuple[str, ...]
    attempts: tuple[Attempt, ...]
    left: int
    lost: int
    after: np.ndarray
    end: str


def clear_scene(kind: str, model: str, seed: int) -> Round:
    """Build a scene of objects that were never trained on and clear it. Runs in a worker."""
    from sim.grasping.gripper import Gripper
    from sim.grasping.trial import execute_grasp
    from sim.objects.load import load_objects
    from sim.scene.builders import build_scene
    from sim.scene.world import World

    planner = GraspPlanner.from_pretrained(model)
    rng = np.random.default_rng([seed, SCENES.index(kind)])
    objects = load_objects("default", kind, "test", report=[])
    attempts: list[Attempt] = []
    lost = failures = 0
    with World() as world:
        scene = build_scene(kind, objects, rng, NUM_OBJECTS, world, seed=seed)
        gripper = Gripper(world)
        end = "every object is gone"
        while world.bodies:
            depth = take_image(world, scene, objects, rng)
            plan = planner.plan(depth, DEFAULT_INTRINSICS, fixed_view())
            if not plan.grasps:
                end = f"the planner offers no grasp ({plan.reason})"
                break
            outcome = execute_grasp(
                world, gripper, plan.grasps[0].T_world_grasp, allow_contact=True, remove_object=True
            )
            lost += len(world.settle()[1])
            attempts.append(Attempt(depth, plan, outcome.fate.name))
            failures = 0 if outcome.success else failures + 1
            if failures == MAX_FAILURES:
                end = f"{MAX_FAILURES} failures in a row"
                break
        after = take_image(world, scene, objects, rng)
        names = tuple(body.object_id for body in scene.bodies)
        return Round(names, tuple(attempts), len(world.bodies), lost, after, end)


def take_image(
    world: World, scene: Scene, objects: list[ObjectSpec], rng: np.random.Generator
) -> np.ndarray:
    """(H, W) depth in metres of the scene as it stands now, with the noise of a real sensor."""
    from sim.scene.builders import record_bodies
    from sim.scene.renderer import scene_geometry

    geometry = scene_geometry(replace(scene, bodies=tuple(record_bodies(world))), objects)
    return apply_noise(geometry.render(DEFAULT_INTRINSICS, fixed_view()), "gamma", rng)


def main(arguments: list[str] | None = None) -> int:
    """Clear one scene of each kind side by side; print and draw what happened."""
    options = parse(arguments)
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    print(f"building, planning and clearing {NUM_OBJECTS} objects, packed and in a pile ...")
    done: dict[str, Round] = {}

    def show(result: Ok | Failed) -> None:
        if isinstance(result, Failed):
            known = result.reason == "exception"  # then the message says it all
            print(f"\n{result.key}: {result.message}" + ("" if known else f"\n{result.traceback}"))
            return
        done[result.key] = result.value
        report(result.key, result.value)
        draw(result.key, result.value, folder)

    jobs = [
        Job(kind, {"kind": kind, "model": options.model.format(scene=kind), "seed": options.seed})
        for kind in SCENES
    ]
    function = f"{Path(__file__).stem}:clear_scene"
    run_jobs(function, jobs, workers=2, timeout_s=TIME_LIMIT, on_result=show)
    if len(done) < len(SCENES):
        return 1
    print(f"\n{time.perf_counter() - begin:.0f} s in all; pictures: {folder}/")
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--out", default="outputs/demo", help="folder for the pictures")
    parser.add_argument("--seed", type=int, default=0, help="of the scenes and the noise")
    parser.add_argument(
        "--model", default="equigiga_{scene}", help="name or path; {scene} becomes packed or pile"
    )
    return parser.parse_args(arguments)


def report(kind: str, done: Round) -> None:
    """Print one scene's story, step by step."""
    print(f"\n== {kind}: {len(done.objects)} objects: {', '.join(done.objects)}")
    for number, attempt in enumerate(done.attempts, 1):
        plan, best = attempt.plan, attempt.plan.grasps[0]
        seconds = plan.timings["total"]
        print(
            f"  {number}. {len(plan.grasps)} grasps in {1000 * seconds:.0f} ms ("
            f"{plan.queries} points asked); best: score {best.score:.2f}, "
            f"opening {1000 * best.width:.0f} mm, tip at {np.round(best.position, 3)} m: "
            f"{FATES[attempt.fate]}"
        )
    cleared = sum(attempt.fate == "SUCCESS" for attempt in done.attempts)
    print(
        f"  {cleared} of {len(done.objects)} objects cleared in {len(done.attempts)} grasps, "
        f"{done.lost} pushed out, {done.left} left; ended because: {done.end}"
    )


def draw(kind: str, done: Round, folder: Path) -> None:
    """Write the pictures of one scene: the first look, and the story from before to after."""
    if done.attempts:
        first = done.attempts[0]
        save_pictures(
            folder, first.depth, DEFAULT_INTRINSICS, fixed_view(), first.plan, prefix=f"{kind}_"
        )
    draw_story(kind, done).savefig(folder / f"{kind}_story.png", dpi=110)


def draw_story(kind: str, done: Round) -> Figure:
    """One panel per look at the table: the grasp that was chosen, and what became of it."""
    looks = [(a.depth, a.plan.grasps[0], FATES[a.fate]) for a in done.attempts]
    looks.append((done.after, None, f"{done.left} left: {done.end}"))
    columns = min(len(looks), 3)
    rows = -(-len(looks) // columns)
    figure = Figure(figsize=(5 * columns, 4 * rows), layout="constrained")
    figure.suptitle(f"{kind}: {len(done.objects)} objects, before to after")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for number, panel in enumerate(panels):
        panel.set_axis_off()
        if number == len(looks):
            break
        depth, grasp, title = looks[number]
        near = depth[(depth > 0) & (depth < 0.9)]
        panel.imshow(depth, cmap="turbo_r", vmin=near.min(), vmax=near.max())
        panel.set_title(f"{number + 1}. {title}", fontsize=10)
        if grasp is not None:
            corners = gripper_lines(grasp).reshape(-1, 3)
            ends = project(corners, DEFAULT_INTRINSICS, fixed_view())[:, :2].reshape(-1, 2, 2)
            panel.add_collection(LineCollection(ends, colors="black", linewidths=5))
            panel.add_collection(LineCollection(ends, colors="white", linewidths=2))
        panel.set(xlim=(120, 520), ylim=(400, 100))
    return figure


if __name__ == "__main__":
    raise SystemExit(main())
