"""A trained policy at work: images and a sentence go in, the next keyframe comes out."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from equigrasp.geometry.transforms import Matrix, make_transform
from equigrasp.policy.base import KeyframePolicy
from equigrasp.policy.checkpoint import load_policy
from equigrasp.policy.clouds import (
    KEPT_POINTS,
    CloudSettings,
    cloud_of_frame,
    pad_clouds,
    thinned,
)
from equigrasp.policy.observation import Frame
from equigrasp.policy.policy_io import Observations
from equigrasp.policy.rotation_bins import bins_to_rotation


class KeyframeAgent:
    """Chooses keyframes. The same seed, frames and sentence give the same keyframes.

    Args:
        policy: with a card that tells its cameras and how clouds are made.
        candidates: positions drawn for every keyframe and draw of points; the one that most others
            are near is taken.
        steps: evaluations of the denoiser for each.
        draws: of the points that a cloud is thinned to; the answers of all decide together. Several
            cost as many encodings, and the shipped policy succeeds no more often with four.

    Attributes:
        cameras: whose images are needed. image_size: pixels per side in training.
    """

    def __init__(
        self, policy: KeyframePolicy, *, candidates: int = 16, steps: int = 10, draws: int = 1
    ) -> None:
        if draws < 1:
            raise ValueError(f"draws is {draws}; at least one draw of points has to be looked at")
        self.policy, self.candidates, self.steps, self.draws = policy, candidates, steps, draws
        self.cameras = tuple(policy.card["cameras"])
        self.image_size = int(policy.card["image_size"])
        self.settings = CloudSettings.of(policy.card["cloud"])
        self.begin(0)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike,
        *,
        clip: str | Path | None = None,
        device: str = "cpu",
        candidates: int = 16,
        steps: int = 10,
        draws: int = 1,
    ) -> KeyframeAgent:
        """An agent from a saved policy, see `load_policy`."""
        policy = load_policy(path, clip=clip, device=device)
        return cls(policy, candidates=candidates, steps=steps, draws=draws)

    def begin(self, seed: int) -> None:
        """A new episode, whose draws follow from a seed."""
        self._generator = torch.Generator().manual_seed(seed)
        self._random = np.random.default_rng(seed)

    def act(self, frame: Frame, sentence: str) -> tuple[Matrix, bool]:
        """Pose (4, 4) of the tip in the world and whether the gripper shall be open.

        Raises:
            ValueError: the frame lacks a camera that the policy was trained with; the sentence
                holds no word.
        """
        if missing := sorted(set(self.cameras) - set(frame.images)):
            raise ValueError(
                f"the frame has no image of camera '{missing[0]}', which the policy was trained "
                f"with; it needs {', '.join(self.cameras)}"
            )
        seen = Frame(frame.state, {name: frame.images[name] for name in self.cameras})
        whole = cloud_of_frame(seen, replace(self.settings, points=KEPT_POINTS), self._random)
        # draws of what is not thinned are copies: one with the candidates of all says the same
        draws = self.draws if len(whole.xyz) > self.settings.points else 1
        clouds = [thinned(whole, self.settings.points, self._random) for _ in range(draws)]
        state = np.append(frame.state.gripper_pose, frame.state.gripper_open).astype(np.float32)
        device = next(self.policy.parameters()).device
        arrays = (*pad_clouds(clouds), np.repeat(state[None], draws, 0))
        found = self.policy.act(
            Observations(*(torch.as_tensor(a).to(device) for a in arrays), [sentence] * draws),
            candidates=self.candidates * self.draws // draws,
            steps=self.steps,
            together=True,
            generator=self._generator,
        )
        rotation = bins_to_rotation(found.bins[0].cpu().numpy())
        position = found.position[0].cpu().numpy().astype(np.float64)
        return make_transform(rotation, position), bool(found.open[0] > 0.5)
