"""Iterations of fine-tuning on PushT: episodes are played with drawn chunks, then learned from."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Generator

from equigrasp.policy.chunks.chunk_io import Observed, pixels
from equigrasp.policy.chunks.fine_tuning import Decisions, Tuner, returns
from sim.pusht.environment import EVALUATION_SEEDS
from sim.pusht.rollouts import Episode, Episodes


def scene_seeds(seed: int, iteration: int, count: int) -> list[int]:
    """Scenes of an iteration, none of which is one of an evaluation."""
    random = np.random.default_rng([seed, iteration])
    return random.integers(2 * EVALUATION_SEEDS, 2**31, count).tolist()


def play(tuner: Tuner, seeds: list[int], generator: Generator) -> tuple[Decisions, list[Episode]]:
    """Play episodes with drawn chunks.

    A chunk earns what the episode's score rises by, and 1 if it reaches the goal. Episodes that end
    for want of time are taken as over.

    Args:
        tuner: its policy plays.
        seeds: of the scenes.
        generator: of the chunks.

    Returns:
        all decisions, and the episodes.
    """
    episodes = Episodes(seeds, tuner.policy)
    kept: list[list[tuple[Any, ...]]] = [[] for _ in seeds]
    rewards: list[list[float]] = [[] for _ in seeds]
    while numbers := episodes.going:
        seen = episodes.seen(numbers)
        chain, value = tuner.decide(seen, generator)
        before = [episodes.all[number].score for number in numbers]
        chosen = pixels(tuner.policy.played(chain.samples[:, 0])).numpy().astype(np.float64)
        episodes.play(numbers, chosen)
        for row, number in enumerate(numbers):
            part = (seen.state[row], None if seen.image is None else seen.image[row])
            kept[number].append((*part, chain.states[row], chain.log_prob[row], value[row]))
            episode = episodes.all[number]
            rewards[number].append(episode.score - before[row] + float(episode.success))
    return _joined(kept, rewards, tuner), episodes.all


def iterate(tuner: Tuner, seed: int, iteration: int, environments: int) -> dict[str, float]:
    """One iteration: episodes, then updates.

    Args:
        tuner: learns.
        seed, iteration: everything random follows from them.
        environments: episodes.

    Returns:
        `score` (mean, percent) and `success` (percent) of the episodes, as drawn; `decisions`;
        seconds of `playing` and `learning`; and what `Tuner.learn` tells.
    """
    generator = Generator().manual_seed(
        int(np.random.SeedSequence([seed, iteration]).generate_state(1)[0])
    )
    start = time.perf_counter()
    decisions, episodes = play(tuner, scene_seeds(seed, iteration, environments), generator)
    played = time.perf_counter()
    learned = tuner.learn(decisions, generator)
    return {
        "score": 100 * float(np.mean([episode.score for episode in episodes])),
        "success": 100 * float(np.mean([episode.success for episode in episodes])),
        "decisions": float(len(decisions.value)),
        "playing": played - start,
        "learning": time.perf_counter() - played,
        **learned,
    }


def _joined(
    kept: list[list[tuple[Any, ...]]], rewards: list[list[float]], tuner: Tuner
) -> Decisions:
    """The decisions of all episodes in a row."""
    returned = []
    for rows, earned in zip(kept, rewards, strict=True):
        values = [float(row[4]) for row in rows]
        returned += returns(earned, values, 0.0, tuner.settings)
    rows = [row for episode in kept for row in episode]
    state, image, states, log_prob, value = zip(*rows, strict=True)
    seen = Observed(torch.stack(state), None if image[0] is None else torch.stack(image))
    found = (torch.stack(part) for part in (states, log_prob, value))
    return Decisions(seen, *found, torch.tensor(returned))
