"""Some episodes of an evaluation; runs in worker processes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch

from equigrasp.policy.chunk_saved import load_chunk_policy
from equigrasp.policy.chunks.diffusion_policy import DiffusionPolicy
from sim.pusht.planner import Planner
from sim.pusht.rollouts import Episodes, play_policy, row

PLANNER = "planner"
"""Name of our planner, a ceiling, in the place of a policy."""


def play_seeds(
    policy: str, seeds: list[int], steps: int, sampler: str, film: bool
) -> list[dict[str, Any]]:
    """Play episodes.

    Args:
        policy: path of a saved policy, or `PLANNER`.
        seeds: of the scenes.
        steps, sampler: of the denoising.
        film: whether pictures are kept.

    Returns:
        for each: seed, score, coverage (largest), final (coverage), success, steps, film.

    Raises:
        FileNotFoundError, ValueError: there is no such policy, or another number of steps than it
            can make.
    """
    if policy == PLANNER:
        return [play_planner(seed, film) for seed in seeds]
    played = play_policy(_loaded(policy), seeds, steps=steps, sampler=sampler, film=film)
    return [row(episode) for episode in played]


def play_planner(seed: int, film: bool = False) -> dict[str, Any]:
    """An episode of the planner, see `play_seeds`."""
    episodes = Episodes([seed], DiffusionPolicy(), film=film)
    planner = Planner(np.random.default_rng(seed))
    episode = episodes.all[0]
    while not episode.done:
        targets = planner.targets(episode.recent[-1])
        if not len(targets):
            break
        episodes.play([0], targets[None])
    return row(episode)


@lru_cache(maxsize=1)
def _loaded(policy: str) -> DiffusionPolicy:
    torch.set_num_threads(1)
    return load_chunk_policy(policy)
