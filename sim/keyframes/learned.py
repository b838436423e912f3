"""A trained policy in the rollout: sees what the cameras see and the sentence, nothing else."""

from __future__ import annotations

from typing import Any

import torch

from equigrasp.geometry.transforms import Matrix
from equigrasp.policy.agent import KeyframeAgent
from equigrasp.policy.episodes.frames import Frame
from sim.stage.task import Task


class LearnedPolicy:
    """See `sim.keyframes.rollout.Policy`.

    Args:
        name: of a saved policy.
        options: see `KeyframeAgent.load`.
    """

    def __init__(self, name: str, **options: Any) -> None:
        torch.set_num_threads(1)  # a process per core plays episodes
        self.agent = KeyframeAgent.load(name, **options)
        self.cameras, self.image_size = self.agent.cameras, self.agent.image_size

    def begin(self, sentence: str, task: Task, seed: int) -> None:
        """See `Policy`."""
        self.sentence = sentence
        self.agent.begin(seed)

    def act(self, frame: Frame) -> tuple[Matrix, bool]:
        """See `Policy`."""
        return self.agent.act(frame, self.sentence)
