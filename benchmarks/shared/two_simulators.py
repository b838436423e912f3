"""The same scenes in both simulators: what labels say, and what steps cost.

These are worker functions: they import simulators, so call them through `sim.workers.run.run_jobs`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from data_gen.generate import load_object_set, propose_grasps, scene_streams
from data_gen.settings import DataDesign
from equigrasp.data.vocabulary import Fate
from equigrasp.perception.camera import fixed_view
from sim.grasping.label import Labels, label_fast
from sim.scene.builders import Scene, build_scene, load_scene
from sim.scene.choice import SIMULATORS, open_world
from sim.scene.renderer import scene_geometry

LIFT = 0.05
"""Height (m) from which the objects of a scene fall again where steps are counted."""


def label_in_both(design: DataDesign, index: int) -> dict[str, Any]:
    """Build a scene in one simulator and label the same grasps on it in both.

    Args:
        design: its simulator builds the scene.

    Returns:
        `label_counts`, with `seconds_NAME`, processor seconds of labelling, and `points`.
    """
    scene, objects = _built(design, index)
    if not scene.bodies:
        return {"points": 0}
    streams = scene_streams(design.seed, index)
    geometry = scene_geometry(scene, objects)
    candidates = propose_grasps(design, geometry, streams["propose"], fixed_view())
    labels, found = {}, {"points": len(candidates)}
    for name in SIMULATORS:
        with open_world(name) as world:
            load_scene(world, scene, objects)
            rng = np.random.default_rng((design.seed, index))
            begin = time.process_time()
            labels[name] = label_fast(world, geometry, candidates, rng, 0.0, hand=design.hand)
            found[f"seconds_{name}"] = time.process_time() - begin
    return found | label_counts(*labels.values())


def label_counts(first: Labels, second: Labels) -> dict[str, Any]:
    """Counts over the yaws of the same grasps, labelled in two simulators.

    Returns:
        yaws; equal, those of one outcome; good_first, good_second, good_both; differences, a dict
        "FATE>FATE" -> count of those of two outcomes.
    """
    a, b = first.yaw_success, second.yaw_success
    pairs = zip(first.yaw_fate[a != b], second.yaw_fate[a != b], strict=True)
    return {
        "yaws": a.size,
        "equal": int((a == b).sum()),
        "good_first": int(a.sum()),
        "good_second": int(b.sum()),
        "good_both": int((a & b).sum()),
        "differences": dict(Counter(f"{Fate(x).name}>{Fate(y).name}" for x, y in pairs)),
    }


def count_steps(design: DataDesign, index: int, steps: int) -> dict[str, float]:
    """Processor seconds of `steps` steps in each simulator, with objects that fall and that lie.

    Returns:
        `falling_NAME` and `lying_NAME` seconds, `bodies`.
    """
    scene, objects = _built(design, index)
    found: dict[str, float] = {"bodies": len(scene.bodies)}
    for name in SIMULATORS:
        with open_world(name) as world:
            ids = load_scene(world, scene, objects)
            world.step()  # what is loaded is prepared here
            for body in ids:
                T = world.pose(body)
                T[2, 3] += LIFT
                world.set_pose(body, T)
            for state in ("falling", "lying"):
                begin = time.process_time()
                world.step(steps)
                found[f"{state}_{name}"] = time.process_time() - begin
    return found


def _built(design: DataDesign, index: int) -> tuple[Scene, Sequence[Any]]:
    objects, settings = load_object_set(design), design.settings
    rng = scene_streams(design.seed, index)["build"]
    with open_world(settings.simulator) as world:
        return build_scene(design.kind, objects, rng, settings.num_objects, world), objects
