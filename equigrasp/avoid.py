"""Grasps like one that has failed: how much alike two hands are, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from equigrasp.candidates import Candidates
from equigrasp.detection import DetectionConfig
from equigrasp.geometry.rotations import symmetric_geodesic_distance
from equigrasp.grasp import Grasp


def likeness(hands: Candidates, failed: Sequence[Grasp], config: DetectionConfig) -> Tensor:
    """How much each hand is like the failed grasp that it is most like: (P,) in [0, 1].

    A hand is the same (1) if its tips lie within `config.avoid_distance` of those of the failed one
    and it is turned by no more than `config.avoid_angle`, up to the half turn of the jaw; or if
    both its contacts lie within `config.avoid_contact` of those of the failed one, from wherever
    it comes. From there likeness falls linearly, to 0 at twice these limits.

    Args:
        hands: that are judged, in the workspace frame.
        failed: grasps in the workspace frame; none gives 0.
        config: the limits.
    """
    if not failed:
        return torch.zeros_like(hands.score)
    like = {"dtype": torch.float64, "device": hands.tips.device}
    tips = torch.as_tensor(np.stack([grasp.position for grasp in failed]), **like)
    rotation = torch.as_tensor(np.stack([grasp.rotation for grasp in failed]), **like)
    width = torch.as_tensor([grasp.width for grasp in failed], **like)
    mine = hands.tips.double()
    turned = hands.rotation.double()
    apart = (mine[:, None] - tips).norm(dim=-1) / config.avoid_distance
    angle = symmetric_geodesic_distance(turned[:, None], rotation) / config.avoid_angle
    half, other = (
        0.5 * w[:, None] * r[..., 1] for w, r in ((hands.width.double(), turned), (width, rotation))
    )
    straight, crossed = (
        torch.maximum(
            ((mine + half)[:, None] - tips - sign * other).norm(dim=-1),
            ((mine - half)[:, None] - tips + sign * other).norm(dim=-1),
        )
        for sign in (1.0, -1.0)
    )
    contacts = torch.minimum(straight, crossed) / config.avoid_contact
    far = torch.minimum(torch.maximum(apart, angle), contacts).amin(1)
    return (2.0 - far).clamp(0.0, 1.0).to(hands.score)


def avoided(hands: Candidates, alike: Tensor) -> Candidates:
    """The hands by what is left of their scores: each loses the share (P,) by which it is `alike`
    a failed one."""
    return hands.scored(hands.score * (1.0 - alike))
