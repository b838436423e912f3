"""Whole poses: position and rotation of a keyframe noised together, the gripper read beside them.

What 3D Diffuser Actor (arXiv 2402.10885) does, and Mini-Diffuser where its heads are coupled.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from equigrasp.diffusion.batch import pick_samples, repeat_conditions, sample_mean
from equigrasp.policy.keyframes.policy_io import Actions
from equigrasp.policy.keyframes.rotation_rows import bins_to_six, six_to_bins, six_to_matrix
from equigrasp.policy.nn.agreement import most_supported_pose
from equigrasp.policy.nn.pose_denoiser import PoseAnswer
from equigrasp.policy.nn.whitening import unwhiten, whiten

POSE = (3, 6)
"""Numbers of a pose: whitened position, first two rows of the rotation."""
LOSS_WEIGHTS = {"position": 30.0, "rotation": 10.0, "gripper": 1.0}
"""As published for 3D Diffuser Actor."""


def pose_of(wanted: Actions) -> Tensor:
    """Numbers (B, 9) of keyframes' poses, see `POSE`."""
    return torch.cat([whiten(wanted.position), bins_to_six(wanted.bins, wanted.position)], -1)


def pose_losses(answer: PoseAnswer, target: Tensor, wanted: Actions) -> dict[str, Tensor]:
    """Losses by the names in `LOSS_WEIGHTS`: mean absolute errors, and of the gripper's logit.

    Args:
        answer: what is predicted at M noised poses of each keyframe.
        target: (B, M, 9) what is to be predicted of position and rotation.
        wanted: the B keyframes.
    """
    position, rotation = target.split(POSE, -1)
    opened = repeat_conditions(wanted.open.to(answer.open), target.shape[1])
    return {
        "position": sample_mean((answer.position - position).abs()),
        "rotation": sample_mean((answer.rotation - rotation).abs()),
        "gripper": sample_mean(
            F.binary_cross_entropy_with_logits(answer.open, opened, reduction="none")
        ),
    }


def agreed_pose(pose: Tensor) -> Tensor:
    """Of poses (B, S, 9), the one that most others are near: (B, 1, 9)."""
    position, rotation = pose.split(POSE, -1)
    best = most_supported_pose(unwhiten(position), six_to_matrix(rotation))
    return pick_samples(pose, best.unsqueeze(1))


def actions_at(pose: Tensor, logit: Tensor) -> Actions:
    """Keyframes of poses (..., 9) and logits (...) of an open gripper."""
    position, rotation = pose.split(POSE, -1)
    return Actions(unwhiten(position), six_to_bins(rotation), (logit > 0).to(logit))
