"""A trained policy at work: images and a sentence go in, the next keyframe comes out."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from equigrasp.geometry.transforms import Matrix, make_transform
from equigrasp.options import check_list
from equigrasp.policy.episodes.frames import Frame
from equigrasp.policy.keyframes.clouds import CloudSettings, cloud_of_frame, pad_clouds
from equigrasp.policy.keyframes.policy_io import Actions, Observations, pad_past
from equigrasp.policy.keyframes.rotation_bins import bins_to_rotation
from equigrasp.policy.models.base import KeyframePolicy
from equigrasp.policy.saved import load_policy

MEMORY = 64
"""Keyframes of an episode that an agent remembers; no policy reads more."""


class KeyframeAgent:
    """Chooses keyframes. The same seed, frames and sentence give the same keyframes.

    What was done before may count too: call `begin` where an episode begins.

    Args:
        policy: with a card that tells its cameras and how clouds are made.
        candidates: sampled for every keyframe; the one that most others are near is taken.
        steps: evaluations of the denoiser for each.

    Attributes:
        cameras: whose images are needed.
        image_size: pixels per side in training.
        settings: how clouds are made of images.
    """

    def __init__(self, policy: KeyframePolicy, *, candidates: int = 16, steps: int = 10) -> None:
        self.policy, self.candidates, self.steps = policy, candidates, steps
        if lacking := sorted({"cameras", "image_size", "cloud"} - set(policy.card)):
            raise ValueError(
                f"the policy's card lacks {', '.join(lacking)}; it was not saved by training"
            )
        self.cameras = tuple(check_list(policy.card["cameras"], "cameras", words=True))
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
    ) -> KeyframeAgent:
        """An agent from a saved policy, see `load_policy`."""
        policy = load_policy(path, clip=clip, device=device)
        return cls(policy, candidates=candidates, steps=steps)

    def begin(self, seed: int) -> None:
        """A new episode, whose random numbers follow from a seed; nothing was done in it yet."""
        self._generator = torch.Generator().manual_seed(seed)
        self._random = np.random.default_rng(seed)
        self._past: list[NDArray[np.float32]] = []

    def act(self, frame: Frame, sentence: str) -> tuple[Matrix, bool]:
        """The next keyframe: pose (4, 4) of the tip in the world, and whether the gripper opens.

        Args:
            frame: state and images now.
            sentence: what is asked for.

        Raises:
            ValueError: the frame lacks a camera that the policy was trained with; the sentence
                holds no word.
        """
        found = self.policy.act(
            self._observed(frame, sentence),
            candidates=self.candidates,
            steps=self.steps,
            generator=self._generator,
        )
        self._past = [_state(frame), *self._past][:MEMORY]
        poses, opened = _poses(found)
        return poses[0], bool(opened[0])

    def draw(self, frame: Frame, sentence: str, count: int) -> tuple[Matrix, NDArray[np.bool_]]:
        """Several keyframes, each of which might be next, see `KeyframePolicy.draw`.

        Args:
            frame, sentence: as for `act`.
            count: N, how many.

        Returns:
            poses (N, 4, 4) of the tip in the world, and whether the gripper opens (N,).

        Raises:
            ValueError: as for `act`; no draw.
        """
        found = self.policy.draw(
            self._observed(frame, sentence), count, steps=self.steps, generator=self._generator
        )
        return _poses(Actions(*(part[0] for part in found)))

    def _observed(self, frame: Frame, sentence: str) -> Observations:
        """One observation as the policy takes it."""
        if missing := sorted(set(self.cameras) - set(frame.images)):
            raise ValueError(
                f"the frame has no image of camera '{missing[0]}', which the policy was trained "
                f"with; it needs {', '.join(self.cameras)}"
            )
        used = Frame(frame.state, {name: frame.images[name] for name in self.cameras})
        # Points are thinned at random, as in training.
        xyz, rgb, mask = pad_clouds([cloud_of_frame(used, self.settings, self._random)])
        state = _state(frame)
        device = next(self.policy.parameters()).device
        arrays = (torch.as_tensor(a).to(device) for a in (xyz, rgb, mask, state[None]))
        seen = Observations(*arrays, [sentence])
        if count := self.policy.options.get("past", 0):
            past = (torch.as_tensor(a)[None].to(device) for a in pad_past(self._past, count))
            seen = Observations(*seen[:5], *past)
        return seen


def _state(frame: Frame) -> NDArray[np.float32]:
    """Pose of the tip and gripper (8,), as a policy takes them."""
    return np.append(frame.state.gripper_pose, frame.state.gripper_open).astype(np.float32)


def _poses(found: Actions) -> tuple[Matrix, NDArray[np.bool_]]:
    """Poses (N, 4, 4) of N keyframes, and whether the gripper opens (N,)."""
    rotations = bins_to_rotation(found.bins.cpu().numpy())
    positions = found.position.cpu().numpy().astype(np.float64)
    return make_transform(rotations, positions), (found.open > 0.5).cpu().numpy()
