"""One demonstration from its number; runs in simulator processes.

An episode depends on (seed, task, number) and the settings alone, never on the worker that makes it
or on the episodes before it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from equigrasp.policy.episodes.files import LAYOUTS, write_episode
from sim.keyframes.demonstrate import DemonstrationError, demonstrate
from sim.keyframes.environment import TaskEnvironment
from sim.keyframes.errors import Errors, NoErrors, PolicyErrors, RandomErrors
from sim.keyframes.seeds import DEMONSTRATION, scene_seed
from sim.tasks import find_task

ATTEMPTS = 5
"""Scenes tried for an episode whose script fails."""
RECOVERY = 1
"""Keeps the errors of a demonstration apart from what else is drawn from its scene's seed."""


def make_episode(
    root: str,
    task: str,
    index: int,
    seed: int,
    image_size: int,
    layout: str,
    recover: float = 0.0,
    frames: str = "all",
    errors_of: str = "",
) -> dict[str, int]:
    """Play and write an episode; scenes whose script fails are passed over.

    Args:
        root: folder of the data set.
        task: name.
        index: of the episode among all of its task; variations take turns.
        seed, image_size, layout, recover, frames, errors_of: see `data_gen.demos.DemoSettings`.

    Returns:
        number of `frames`, of `keypoints` and of `attempts`.

    Raises:
        DemonstrationError: the script failed in every attempt.
    """
    number, variation = divmod(index, find_task(task).variations)
    whole = frames == "all"
    for attempt in range(ATTEMPTS):
        chosen = scene_seed(DEMONSTRATION, seed, task, index, attempt)
        try:
            shown = demonstrate(
                _environment(image_size),
                task,
                variation,
                chosen,
                errors=_errors(chosen, recover, errors_of),
                between=whole,
            )
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
            keyframes=None if whole else shown.keypoints,
        )
        return {
            "frames": len(shown.frames),
            "keypoints": len(shown.keypoints),
            "attempts": attempt + 1,
        }
    raise AssertionError("unreachable")


def _errors(scene: int, share: float, policy: str) -> Errors:
    """What goes wrong in a scene's demonstration, for a share of the scenes."""
    random = np.random.default_rng([scene, RECOVERY])
    if random.random() >= share:
        return NoErrors()
    if not policy:
        return RandomErrors(random)
    from sim.keyframes.rollout import load_policy

    return PolicyErrors(load_policy(policy), random)


@lru_cache(maxsize=1)
def _environment(image_size: int) -> TaskEnvironment:
    return TaskEnvironment(image_size=image_size)
