"""One demonstration from its number; runs in simulator processes.

An episode depends on (seed, task, number) and the settings alone, never on the worker that makes it
or on the episodes before it.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from equigrasp.policy.episodes import LAYOUTS, write_episode
from sim.keyframes.demonstrate import DemonstrationError, demonstrate
from sim.keyframes.environment import TaskEnvironment
from sim.keyframes.task import find_task, task_classes

ATTEMPTS = 5
"""Scenes tried for an episode whose script fails."""


def count_variations(tasks: Sequence[str]) -> dict[str, int]:
    """Number of variations by name of task; "all" stands for every task.

    Raises:
        ValueError: there is no task of that name.
    """
    names = list(task_classes()) if list(tasks) == ["all"] else tasks
    return {name: find_task(name).variations for name in names}


def scene_seed(seed: int, task: str, index: int, attempt: int = 0) -> int:
    """Seed of an episode's scene, for `numpy.random.RandomState`."""
    words = [seed, zlib.crc32(task.encode()), index, attempt]
    return int(np.random.SeedSequence(words).generate_state(1)[0])


def make_episode(
    root: str, task: str, index: int, seed: int, image_size: int, layout: str
) -> dict[str, int]:
    """Play and write an episode; scenes whose script fails are passed over.

    Returns:
        number of `frames`, of `keypoints` and of `attempts`.

    Raises:
        DemonstrationError: the script failed in every attempt.
    """
    number, variation = divmod(index, find_task(task).variations)
    for attempt in range(ATTEMPTS):
        chosen = scene_seed(seed, task, index, attempt)
        try:
            shown = demonstrate(_environment(image_size), task, variation, chosen)
        except DemonstrationError:
            if attempt == ATTEMPTS - 1:
                raise
            continue
        write_episode(
            root,
            task,
            index if layout == LAYOUTS[1] else number,
            shown.frames,
            variation=variation,
            descriptions=shown.sentences,
            layout=layout,
            random_seed=shown.random_seed,
        )
        return {
            "frames": len(shown.frames),
            "keypoints": len(shown.keypoints),
            "attempts": attempt + 1,
        }
    raise AssertionError("unreachable")


@lru_cache(maxsize=1)
def _environment(image_size: int) -> TaskEnvironment:
    return TaskEnvironment(image_size=image_size)
