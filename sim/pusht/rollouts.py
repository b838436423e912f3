"""Several episodes side by side, so that a policy is asked for all of them at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from equigrasp.policy.chunks.chunk_io import Observed, image_tensor, normalised, pixels
from equigrasp.policy.chunks.diffusion_policy import DiffusionPolicy
from equigrasp.policy.replays.tee import COVERED
from sim.pusht.environment import PushT, Seen


@dataclass
class Episode:
    """An episode that is being played.

    Attributes:
        seed: of its scene.
        coverage: share of the goal covered after every action.
        success, done: see `Outcome`.
        film: pictures, one a chunk, where they are wanted.
    """

    seed: int
    environment: PushT
    recent: deque[Seen]
    coverage: list[float] = field(default_factory=list)
    success: bool = False
    done: bool = False
    film: list[NDArray[np.uint8]] = field(default_factory=list)

    @property
    def score(self) -> float:
        """Largest reward, as published: coverage over 0.95, at most 1."""
        return min(1.0, max(self.coverage, default=0.0) / COVERED)


class Episodes:
    """Episodes of the scenes of several seeds.

    Args:
        seeds: of the scenes.
        policy: whose observations are kept: how many, and whether with pictures.
        film: whether pictures for people are kept.
    """

    def __init__(
        self, seeds: Sequence[int], policy: DiffusionPolicy, *, film: bool = False
    ) -> None:
        self.film, self.sees = film, policy.sees
        self.all: list[Episode] = []
        for seed in seeds:
            environment = PushT(images=policy.sees == "image")
            first = environment.reset(seed)
            recent = deque([first] * policy.observed, maxlen=policy.observed)
            self.all.append(Episode(seed, environment, recent))

    @property
    def going(self) -> list[int]:
        """Numbers of the episodes that are not over."""
        return [number for number, episode in enumerate(self.all) if not episode.done]

    def seen(self, numbers: Sequence[int]) -> Observed:
        """What is seen in some of the episodes."""
        rows = [list(self.all[number].recent) for number in numbers]
        image = None
        if self.sees == "image":
            image = image_tensor(np.array([[seen.image for seen in row] for row in rows]))
            state = np.array([[seen.agent for seen in row] for row in rows])
        else:
            state = np.array([[seen.state for seen in row] for row in rows])
        return Observed(torch.as_tensor(normalised(state), dtype=torch.float32), image)

    def play(self, numbers: Sequence[int], actions: NDArray) -> None:
        """Play chunks of actions (n, E, 2), pixels, in some of the episodes until these are over.

        Args:
            numbers: of the episodes.
            actions: where their agents are sent.
        """
        for number, chunk in zip(numbers, actions, strict=True):
            episode = self.all[number]
            for left, target in zip(reversed(range(len(chunk))), chunk, strict=True):
                # pictures take most of the time, and the policy sees the last few alone
                look = left < (episode.recent.maxlen or 1)
                outcome = episode.environment.step(target, look=look)
                episode.recent.append(outcome.seen)
                episode.coverage.append(outcome.coverage)
                episode.success, episode.done = outcome.success, outcome.done
                if outcome.done:
                    break
            if self.film:
                episode.film.append(episode.environment.picture())


def play_policy(
    policy: DiffusionPolicy,
    seeds: Sequence[int],
    *,
    steps: int = 10,
    sampler: str = "ddim",
    film: bool = False,
) -> list[Episode]:
    """Whole episodes of a policy.

    Args:
        policy: in evaluation mode.
        seeds: of the scenes, and of the policy's noise in each.
        steps, sampler: of the denoising.
        film: whether pictures for people are kept.
    """
    episodes = Episodes(seeds, policy, film=film)
    noise = [torch.Generator().manual_seed(seed) for seed in seeds]
    device = next(policy.parameters()).device
    while numbers := episodes.going:
        seen = Observed(
            *(part if part is None else part.to(device) for part in episodes.seen(numbers))
        )
        chosen = policy.act(seen, [noise[n] for n in numbers], steps=steps, sampler=sampler)
        episodes.play(numbers, pixels(chosen).cpu().numpy().astype(np.float64))
    return episodes.all


def row(episode: Episode) -> dict[str, Any]:
    """An episode in numbers, JSON-able, and its film."""
    return {
        "seed": episode.seed,
        "score": episode.score,
        "coverage": max(episode.coverage, default=0.0),
        "final": episode.coverage[-1] if episode.coverage else 0.0,
        "success": episode.success,
        "steps": len(episode.coverage),
        "film": episode.film,
    }
