"""What a policy knows of the keyframes so far: a token of each, and which points they were at.

A picture after the first of three buttons may look like one after the second. Tokens tell where the
gripper has been, in which order, and whether it was open; marks tell every point which of these
keyframes were at it, since attention compares the positions of points and tokens poorly.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.geometry.rotations import quaternion_to_matrix
from equigrasp.policy.nn.point_encoder import Context
from equigrasp.policy.nn.point_features import HAND
from equigrasp.policy.nn.whitening import SCALE, whiten


class PastKeyframes(nn.Module):
    """Tokens of the latest keyframes beside those of words and state, and marks of points.

    Args:
        channels: of the tokens.
        count: K, so many keyframes are read; earlier ones are forgotten.
    """

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        self.count = count
        self.read = nn.Sequential(nn.Linear(13, channels), nn.GELU(), nn.Linear(channels, channels))
        self.ages = nn.Parameter(torch.randn(count, channels) * 0.02)

    def forward(
        self, context: Context, past: Tensor | None, present: Tensor | None, tip: Tensor
    ) -> Context:
        """A context with tokens of the K latest keyframes behind its own.

        Args:
            context: words and state, (B, T, channels).
            past: (B, P, 8) pose of the tip and gripper at earlier keyframes, newest first.
            present: (B, P) bool, True for keyframes that there were.
            tip: (B, 3) metres, where the gripper is now.

        Raises:
            ValueError: no earlier keyframes are given, not even masked ones.
        """
        past, present = self._latest(past, present)
        where = past[..., :3]
        turned = quaternion_to_matrix(past[..., 3:7])[..., :2, :].flatten(-2)
        parts = [whiten(where), (where - tip.unsqueeze(1)) / SCALE, turned, past[..., 7:]]
        # What stands in masked places need not be a pose.
        known = torch.cat(parts, -1).masked_fill(~present.unsqueeze(-1), 0.0)
        tokens = self.read(known) + self.ages[: past.shape[1]]
        return Context(
            torch.cat([context.tokens, tokens], 1), torch.cat([context.mask, present], 1)
        )

    def marks(self, xyz: Tensor, past: Tensor | None, present: Tensor | None) -> Tensor:
        """(B, N, K): how near points were to the tip at every earlier keyframe, from 0 to 1.

        Args:
            xyz: (B, N, 3) metres.
            past, present: see `forward`.
        """
        past, present = self._latest(past, present)
        gap = (xyz.unsqueeze(2) - past[:, None, :, :3]) / HAND
        near = torch.exp(-gap.square().sum(-1)).masked_fill(~present.unsqueeze(1), 0.0)
        return F.pad(near, (0, self.count - near.shape[-1]))

    def _latest(self, past: Tensor | None, present: Tensor | None) -> tuple[Tensor, Tensor]:
        if past is None or present is None:
            raise ValueError(
                f"this policy reads the {self.count} latest keyframes; give `past` and `past_mask` "
                "(`equigrasp.policy.keyframes.policy_io.pad_past` makes them, of none too)"
            )
        return past[:, : self.count], present[:, : self.count]
