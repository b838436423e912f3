"""The part of 3D Diffuser Actor that runs for every noised pose.

A sample is one token: its position and rotation, the words, and what it sees of the scene around
its noised position. Layers are shared at first, then each answer has its own, as published; the
gripper is read where the position is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor, nn

from equigrasp.diffusion.modulation import TimeCode
from equigrasp.policy.nn.point_encoder import Context, CrossAttention, Points
from equigrasp.policy.nn.position_reader import head
from equigrasp.policy.nn.relative_layer import KeyValue, RelativeLayer
from equigrasp.policy.nn.whitening import unwhiten


class PoseMemory(NamedTuple):
    """What noised poses need of an observation; computed once for all of them.

    Attributes:
        trunk, position, rotation: keys and values of every layer.
        mask: (B, N) bool of the scene's tokens.
        gripper: (B, C) the gripper's state and surroundings, which modulate every layer.
        words: of the sentence.
    """

    trunk: list[KeyValue]
    position: list[KeyValue]
    rotation: list[KeyValue]
    mask: Tensor
    gripper: Tensor
    words: Context


class PoseAnswer(NamedTuple):
    """What is predicted at noised poses.

    Attributes:
        position: (B, M, 3) target of the positions' diffusion.
        rotation: (B, M, 6) of the rotations'.
        open: (B, M) logit of an open gripper.
    """

    position: Tensor
    rotation: Tensor
    open: Tensor


class PoseDenoiser(nn.Module):
    """Relative attention of noised poses to a scene.

    Args:
        channels: width of all tokens.
        heads: of each attention.
        trunk_layers: that position and rotation share.
        branch_layers: of each of them alone.
    """

    def __init__(
        self, channels: int, heads: int, *, trunk_layers: int = 4, branch_layers: int = 2
    ) -> None:
        super().__init__()
        self.in_projection = nn.Linear(9, channels)
        self.words = CrossAttention(channels, channels, heads)
        self.time = TimeCode(channels)

        def layers(count: int) -> nn.ModuleList:
            return nn.ModuleList(RelativeLayer(channels, heads) for _ in range(count))

        self.trunk = layers(trunk_layers)
        self.position, self.rotation = layers(branch_layers), layers(branch_layers)
        self.position_head = head(channels, 3)
        self.rotation_head = head(channels, 6)
        self.open_head = head(channels, 1)

    def remember(self, points: Points, gripper: Tensor, words: Context) -> PoseMemory:
        """What noised poses need of B observations.

        Args:
            points: tokens (B, N, channels) of the scenes.
            gripper: (B, channels) the grippers' states and surroundings.
            words: of the sentences.
        """
        trunk: list[KeyValue] = []
        for layer in self.trunk:
            points, memory = layer.condition(points, gripper)
            trunk.append(memory)
        branches = [_memories(part, points, gripper) for part in (self.position, self.rotation)]
        return PoseMemory(trunk, *branches, points.mask, gripper, words)

    def forward(self, memory: PoseMemory, pose: Tensor, time: Tensor) -> PoseAnswer:
        """Answers at poses, each by itself.

        Args:
            memory: of B observations, see `remember`.
            pose: (B, M, 9) whitened position and six numbers of the rotation, noised.
            time: (B, M) in [0, 1), share of the noise's steps.
        """
        contexts = (memory.gripper.unsqueeze(1), self.time(time))
        where = unwhiten(pose[..., :3])

        def run(x: Tensor, layers: Iterable[RelativeLayer], memories: list[KeyValue]) -> Tensor:
            for layer, known in zip(layers, memories, strict=True):
                x = layer.samples(x, where, contexts, known, memory.mask)
            return x

        x = run(self.words(self.in_projection(pose), memory.words), self.trunk, memory.trunk)
        moved = run(x, self.position, memory.position)
        turned = run(x, self.rotation, memory.rotation)
        return PoseAnswer(
            self.position_head(moved),
            self.rotation_head(turned),
            self.open_head(moved).squeeze(-1),
        )


def _memories(layers: nn.ModuleList, points: Points, gripper: Tensor) -> list[KeyValue]:
    """Keys and values of a branch; nothing reads the scene after its last layer."""
    memories: list[KeyValue] = []
    for layer in layers[:-1]:
        points, memory = layer.condition(points, gripper)
        memories.append(memory)
    return [*memories, *(layer.remember(points, gripper) for layer in layers[-1:])]
