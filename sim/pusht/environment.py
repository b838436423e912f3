"""The published PushT environment (gym-pusht), with everything that policies may see.

Physics, reward and pictures are gym-pusht's own. An episode ends with success where the T covers
more than 95 % of its goal, or after `MAX_STEPS` actions.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.optional import require
from equigrasp.policy.replays.tee import keypoints

MAX_STEPS = 300
"""Actions of an episode, ten a second."""
EVALUATION_SEEDS = 100_000
"""Of the first episode of an evaluation, as published. From gym-pusht 0.1.6 on a seed draws another
scene than it drew for Diffusion Policy."""
IMAGE_SIZE = 96


class Seen(NamedTuple):
    """What there is to see before an action.

    Attributes:
        agent: (2,) place of the agent, pixels of the square of 512.
        block: (3,) x, y, angle of the T.
        image: (96, 96, 3) uint8, None where nobody asked for pictures.
    """

    agent: NDArray[np.float64]
    block: NDArray[np.float64]
    image: NDArray[np.uint8] | None

    @property
    def state(self) -> NDArray[np.float32]:
        """(18,) the agent and the corners of the T, see `equigrasp.policy.replays.tee`."""
        return np.concatenate([self.agent, keypoints(self.block)]).astype(np.float32)


class Outcome(NamedTuple):
    """What an action led to.

    Attributes:
        seen: afterwards.
        coverage: share of the goal that the T covers.
        success: whether that is enough.
        done: whether the episode is over.
    """

    seen: Seen
    coverage: float
    success: bool
    done: bool


def published_environment() -> type:
    """The class of gym-pusht, loaded so that it needs no display and greets nobody.

    Raises:
        ImportError: it is missing; the message says what brings it.
    """
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    return require("gym_pusht.envs.pusht", "PushT").PushTEnv


class PushT:
    """One environment.

    Args:
        images: whether observations hold pictures; they take most of the time.
    """

    def __init__(self, *, images: bool = False) -> None:
        self._env: Any = published_environment()(obs_type="state")
        self.images, self.steps = images, 0

    def reset(self, seed: int) -> Seen:
        """A new episode; the scene follows from the seed alone."""
        self._env.reset(seed=seed)
        self.steps = 0
        return self._seen()

    def step(self, target: ArrayLike, *, look: bool = True) -> Outcome:
        """One action of a tenth of a second.

        Args:
            target: (2,) where the agent is to go, within the square.
            look: whether a picture is taken afterwards, where there are pictures at all.

        Raises:
            ValueError: another shape, or no number.
        """
        where = np.asarray(target, dtype=np.float64)
        if where.shape != (2,) or not np.isfinite(where).all():
            raise ValueError(f"an action is {target!r}; give two numbers, pixels from 0 to 512")
        space = self._env.action_space
        _, _, success, _, info = self._env.step(where.clip(space.low, space.high))
        self.steps += 1
        done = bool(success) or self.steps >= MAX_STEPS
        return Outcome(self._seen(look), float(info["coverage"]), bool(success), done)

    def picture(self, size: int = 192) -> NDArray[np.uint8]:
        """A picture (size, size, 3) for people, with a cross where the agent is sent."""
        self._env.visualization_width = self._env.visualization_height = size
        return np.ascontiguousarray(self._env.render())

    def _seen(self, look: bool = True) -> Seen:
        env = self._env
        image = np.ascontiguousarray(env._render()) if self.images and look else None
        block = np.array([*env.block.position, env.block.angle % (2 * np.pi)])
        return Seen(np.array(env.agent.position), block, image)
