"""Of the grasps that a labeller calls good, how many hold: by the mass of what they grasp.

The judge is the published trial in full, each in a world that is freshly built from the scene as it
is written to files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from equigrasp.data.vocabulary import Fate
from equigrasp.hand import Hand
from shared.mass_bins import bin_name
from sim.grasping.gripper import Gripper
from sim.grasping.label import Labels, grasp_poses
from sim.grasping.propose import Candidates
from sim.grasping.trial import execute_grasp
from sim.objects.spec import ObjectSpec
from sim.scene.builders import Scene, load_scene
from sim.scene.renderer import SceneGeometry
from sim.scene.world import World

MOST_FAILURES = 20
"""Simulated yaws called bad that are tried again, per scene at most."""


@dataclass(frozen=True)
class TriedScene:
    """A scene as it is written to files, and the grasps proposed on it.

    Attributes:
        objects: the set that it was built from.
        geometry: its meshes.
        hand: that the candidates are for.
    """

    scene: Scene
    objects: Sequence[ObjectSpec]
    geometry: SceneGeometry
    candidates: Candidates
    hand: Hand


def holding_counts(
    tried: TriedScene, fast: Labels, reference: Labels, rng: np.random.Generator
) -> dict[str, Counter[str]]:
    """Counts by mass bin: yaws called good and bad by the fast labeller, and how many of them hold.

    Args:
        fast, reference: labels of the candidates.
        rng: samples the yaws called bad that are tried.

    Returns:
        bin -> good, good_holds, bad, bad_holds, reference_agrees (of good + bad).
    """
    poses = grasp_poses(tried.candidates)
    body = tried.geometry.nearest_body(tried.candidates.position)
    good = np.argwhere(fast.yaw_success)
    bad = np.argwhere(np.isin(fast.yaw_fate, (Fate.EMPTY_CLOSE, Fate.SLIPPED)))
    bad = rng.permutation(bad)[:MOST_FAILURES]
    counts: dict[str, Counter[str]] = {}
    with World() as world:
        for index in map(tuple, np.concatenate([good, bad])):
            world.reset()
            bodies = load_scene(world, tried.scene, tried.objects)
            mass = world.p.getDynamicsInfo(bodies[int(body[index[0]])], -1)[0]
            holds = execute_grasp(world, Gripper(world, tried.hand), poses[index]).success
            called = "good" if fast.yaw_success[index] else "bad"
            counts.setdefault(bin_name(mass), Counter()).update(
                {
                    called: 1,
                    f"{called}_holds": int(holds),
                    "reference_agrees": int(reference.yaw_success[index] == holds),
                }
            )
    return counts
