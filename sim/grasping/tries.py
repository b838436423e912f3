"""Grasps of any poses, tried in the scenes of a data set. Imported in worker processes only."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from equigrasp.data.scene_files import read_scene
from equigrasp.data.vocabulary import Fate
from equigrasp.hand import Hand
from sim.grasping.fast_trials import fast_trials
from sim.objects.load import load_objects
from sim.objects.spec import ObjectSpec
from sim.scene.builders import load_scene, recorded_scene
from sim.scene.choice import open_world
from sim.scene.kinds import find_kind
from sim.scene.renderer import scene_geometry


def try_grasps(
    path: str, poses: np.ndarray, objects: str, split: str, simulator: str, hand: dict[str, Any]
) -> dict[str, np.ndarray]:
    """Try grasps in a scene that is freshly loaded from its file, as its labels were made.

    Args:
        path: of the scene's file.
        poses: (n, 4, 4) TCP poses.
        objects, split: see `sim.objects.load.load_objects`; those that the scene was made of.
        simulator: that the scene was made with.
        hand: what grasps, as its entries.

    Returns:
        `success` (n,) bool; `width` (n,) m, opening after the trial; `fate` (n,) uint8, see
        `equigrasp.data.vocabulary.Fate`.

    Raises:
        ValueError: an object of the scene is not among those given; the file is torn.
    """
    record = read_scene(path)
    scene, specs = recorded_scene(record), _objects(objects, record.kind, split)
    grasping = Hand.of(hand)
    success, width = np.zeros(len(poses), bool), np.full(len(poses), grasping.opening)
    with open_world(simulator) as world:
        load_scene(world, scene, specs)
        geometry = scene_geometry(scene, specs, world.workspace)
        with fast_trials(world, geometry, grasping) as trials:
            fate = trials.screen(poses)
            for index in np.flatnonzero(fate == Fate.SUCCESS):
                outcome = trials.try_free(poses[index])
                success[index], width[index] = outcome.success, outcome.width
                fate[index] = outcome.fate
    return {"success": success, "width": width, "fate": fate}


@lru_cache(maxsize=4)
def _objects(names: str, kind: str, split: str) -> list[ObjectSpec]:
    return load_objects(names, find_kind(kind).objects, split, report=[])
