"""What grasps that failed say of others: those like them fail again, those nearby are in doubt.

A hand that slipped off an object tells more than that this hand does not hold: the object may be
heavier or smoother than it looks, which no camera sees.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from equigrasp.candidates import Candidates
from equigrasp.detection import DetectionConfig
from equigrasp.geometry.rotations import symmetric_geodesic_distance
from equigrasp.grasp import Grasp

SURE = 1.0 - 1e-6
"""A score above this is doubted as if it were this, since its logit has no bound."""


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
    tips = _tips_of(failed, hands)
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


def doubt(hands: Candidates, failed: Sequence[Grasp], config: DetectionConfig) -> Tensor:
    """How much less likely the hands are to hold since others failed nearby: (P,) >= 0, in logits.

    Every failed grasp takes `config.avoid_doubt` from the hands whose tips lie within
    `config.avoid_reach` of its own, which is mostly to say at the same object, and less from there
    to nothing at twice that distance.

    Args:
        hands: that are judged, in the workspace frame.
        failed: grasps in the workspace frame.
        config: the limits.
    """
    tips = _tips_of(failed, hands)
    apart = (hands.tips.double()[:, None] - tips).norm(dim=-1) / config.avoid_reach
    return config.avoid_doubt * (2.0 - apart).clamp(0.0, 1.0).sum(1).to(hands.score)


def avoided(hands: Candidates, alike: Tensor, doubts: Tensor) -> Candidates:
    """The hands by what is left of their scores: each loses its doubts (P,), in logits, and then
    the share (P,) by which it is `alike` a failed one."""
    less = (hands.score.clamp(max=SURE).logit() - doubts).sigmoid()
    return hands.scored(torch.where(doubts > 0.0, less, hands.score) * (1.0 - alike))


def still_standing(failed: Sequence[Grasp], lifted: Grasp, reach: float) -> list[Grasp]:
    """The failed grasps that say something still after another one has lifted what it held.

    Args:
        failed: grasps.
        lifted: the one that succeeded, in the same frame.
        reach: failed grasps with tips this near to those of `lifted` were at what is gone, metres.
    """
    tips = lifted.position
    return [grasp for grasp in failed if np.linalg.norm(grasp.position - tips) > reach]


def _tips_of(grasps: Sequence[Grasp], hands: Candidates) -> Tensor:
    """Between the finger tips, (F, 3), on the device of the hands."""
    places = np.array([grasp.position for grasp in grasps]).reshape(-1, 3)
    return torch.as_tensor(places, dtype=torch.float64, device=hands.tips.device)
