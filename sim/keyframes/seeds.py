"""Seeds of scenes: a scene depends on what it is for, its task and its number, on nothing else."""

from __future__ import annotations

import zlib

import numpy as np

DEMONSTRATION, EVALUATION = 0, 1
"""What a scene is for; scenes of different purposes are never the same."""


def scene_seed(purpose: int, seed: int, task: str, index: int, attempt: int = 0) -> int:
    """Seed of a scene, for `numpy.random.RandomState`.

    Args:
        purpose: `DEMONSTRATION` or `EVALUATION`.
        seed: of the data set or of the evaluation.
        task: name.
        index: of the episode among all of its task.
        attempt: counts up when a scene is passed over.
    """
    words = [purpose, seed, zlib.crc32(task.encode()), index, attempt]
    return int(np.random.SeedSequence(words).generate_state(1)[0])
