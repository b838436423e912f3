"""Which scenes make up which step: a pure function of (seed, step), hence trivially resumable."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SceneSampler:
    """Shuffled batches of scene keys, without replacement within an epoch.

    An epoch is `num_scenes // (batch_size * world_size)` steps; the rest of its permutation is
    dropped (another permutation comes next). All ranks draw the same permutation and take
    disjoint slices of it.

    Args:
        num_scenes: scenes in the training set.
        batch_size: scenes per step and process.
        seed: seed of the permutations.
        rank, world_size: this process and the number of processes.

    Raises:
        ValueError: if one step needs more scenes than there are.
    """

    num_scenes: int
    batch_size: int
    seed: int
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.steps_per_epoch < 1:
            raise ValueError(
                f"a step needs batch_size * processes = {self.batch_size} * {self.world_size} "
                f"scenes (at least 1), but the training split has {self.num_scenes}; lower "
                "trainer.batch_size or generate more scenes"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Full steps in one pass over the scenes."""
        return self.num_scenes // max(1, self.batch_size * self.world_size)

    def keys(self, step: int) -> list[tuple[int, int]]:
        """Dataset keys `(epoch, scene)` of this rank's batch at a step (counted from 0)."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(self.num_scenes)
        start = (position * self.world_size + self.rank) * self.batch_size
        return [(epoch, int(scene)) for scene in order[start : start + self.batch_size]]

    def from_step(self, step: int) -> Iterator[list[tuple[int, int]]]:
        """Key lists of steps `step, step + 1, ...` without end."""
        for current in itertools.count(step):
            yield self.keys(current)
