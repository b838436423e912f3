"""Build a scene, propose grasps on it, and try each in simulation at five yaws.

    python examples/label_a_scene.py --kind pile --points 40

This is what data_gen/*.py do for every scene of a data set. The simulator runs in a worker process,
where a crash of it can do no harm.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np

from equigrasp.data.vocabulary import Fate
from equigrasp.hand import load_hand
from sim.scene.kinds import find_kind, scene_kinds
from sim.workers.jobs import Job
from sim.workers.run import run_jobs


def label(kind: str, hand: str, points: int, seed: int) -> dict:
    """How the trials ended, by name, and the share of points where some yaw succeeds."""
    from sim.grasping.label import label_fast
    from sim.grasping.propose import propose
    from sim.objects.load import load_objects
    from sim.scene.builders import build_scene
    from sim.scene.renderer import scene_geometry
    from sim.scene.world import World

    wanted, grasping, rng = find_kind(kind), load_hand(hand), np.random.default_rng(seed)
    objects = load_objects("random_urdfs", wanted.objects, "train")
    with World() as world:
        scene = build_scene(wanted, objects, rng, 5, world)
        geometry = scene_geometry(scene, objects, world.workspace)
        candidates = propose(geometry, rng, points, hand=grasping)
        labels = label_fast(world, geometry, candidates, rng, hand=grasping)
    fates = Counter(Fate(value).name for value in labels.yaw_fate.ravel())
    return {"fates": dict(fates), "share": float(labels.point_success.mean())}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=tuple(scene_kinds()), default="packed")
    parser.add_argument("--hand", default="panda", help="a name in configs/hand or a YAML file")
    parser.add_argument("--points", type=int, default=40, help="grasp points")
    parser.add_argument("--seed", type=int, default=0)
    job = Job("scene", vars(parser.parse_args()))
    run_jobs("label_a_scene:label", [job], workers=1, timeout_s=600, on_result=print)
