"""One demonstration of PushT from its number; runs in worker processes.

An episode depends on (seed, number) alone, never on the worker that makes it or on the episodes
before it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from equigrasp.data.files import pack_arrays, read_arrays, write_atomically
from equigrasp.policy.replays.replay import Replay
from sim.pusht.environment import EVALUATION_SEEDS, MAX_STEPS, PushT
from sim.pusht.planner import Planner

ATTEMPTS = 5
"""Scenes tried for an episode in which the planner does not get the T home."""
NAMES = ("action", "agent", "block", "image", "coverage")


class PlanningError(RuntimeError):
    """The planner did not get the T home in any attempt."""


def episode_path(root: Path, index: int) -> Path:
    """File of an episode in the folder of a data set."""
    return root / "episodes" / f"episode_{index:06d}.npz"


def make_episode(root: str, seed: int, index: int) -> dict[str, float]:
    """Plan, play and write an episode; scenes in which the planner fails are passed over.

    Args:
        root: folder of the data set.
        seed: of the data set.
        index: of the episode.

    Returns:
        number of `steps` and of `attempts`, and the `coverage` at the end.

    Raises:
        PlanningError: the planner failed in every attempt.
    """
    for attempt in range(ATTEMPTS):
        random = np.random.default_rng([seed, index, attempt])
        # above the seeds of evaluations, so that no policy is trained on a scene it is tested on
        played = play(int(random.integers(2 * EVALUATION_SEEDS, 2**31)), random)
        if played is not None:
            content = pack_arrays({name: getattr(played, name) for name in NAMES})
            write_atomically(episode_path(Path(root), index), content)
            coverage = float(played.coverage[-1])
            return {"steps": len(played.action), "attempts": attempt + 1, "coverage": coverage}
    raise PlanningError(f"episode {index} failed in {ATTEMPTS} scenes")


def read_episode(path: Path) -> Replay:
    """An episode as `make_episode` wrote it.

    Raises:
        ArrayFileError: it is torn.
    """
    arrays = read_arrays(path, NAMES)
    return Replay(**arrays, ends=np.array([len(arrays["action"])]))


def play(scene: int, random: np.random.Generator) -> Replay | None:
    """An episode of the planner, None if the T does not get home in time.

    Args:
        scene: seed of the environment.
        random: of the planner's choices.
    """
    environment, planner = PushT(images=True), Planner(random)
    seen = environment.reset(scene)
    frames, actions, coverage = [], [], []
    while environment.steps < MAX_STEPS:
        targets = planner.targets(seen)
        if not len(targets):
            return None
        for target in targets:
            frames.append(seen)
            outcome = environment.step(target)
            actions.append(target)
            coverage.append(outcome.coverage)
            seen = outcome.seen
            if outcome.success:
                return Replay(
                    np.array(actions, np.float32),
                    np.array([frame.agent for frame in frames], np.float32),
                    np.array([frame.block for frame in frames], np.float32),
                    np.array([frame.image for frame in frames]),
                    np.array(coverage, np.float32),
                    np.array([len(frames)]),
                )
            if outcome.done:
                return None
    return None
