"""The hand against what was seen: boxes of an open hand on its way, and points of the surface.

Palm and fingers are the boxes of `equigrasp.hand.Hand`, drawn out against the approach by the way
that the hand comes; points of the observed surface are tested in the frame of every hand at once.
Nothing here knows a direction of the workspace, so it commutes with all turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor

from equigrasp.candidates import Candidates
from equigrasp.hand import Box, Hand
from equigrasp.hand_boxes import box_distance, folded, in_hands, nearer, openings, swept
from equigrasp.perception.camera import Intrinsics
from equigrasp.perception.surface import (
    SEED_WIDTH,
    observed_points,
    surface_voxels,
    unseen_voxels,
)
from equigrasp.perception.tsdf import voxel_axis
from equigrasp.workspace import Workspace

TOLERANCE = 0.005
"""Surface this deep (m) in the hand is taken for noise of the depth image."""
FEW = 3
"""So many points deeper than that are taken for noise too."""
SAMPLES_APART = 0.01
"""Distance of the places in the hand that are looked up in unseen space, metres."""


UNSEEN_SHARE = 0.05
"""Palm and fingers may each have this share of themselves and their way in unseen space where they
have to keep out of it."""


@dataclass(frozen=True)
class Observed:
    """What views show, in the workspace frame.

    Attributes:
        points: (N, 3) of the surface, metres, about evenly spread.
        objects: (M, 3) those of them that do not belong to a known table.
        unseen: (K, K, K) bool, voxels that no view shows to be free or surface; None where that is
            not asked.
        expected: (E, 3) middles of unseen voxels that a model expects to be filled, metres; None
            where it was not asked.
        masked: (K, 3) those of `objects` under the masks of what is to be grasped; None where there
            are no masks.
    """

    points: Tensor
    objects: Tensor
    unseen: Tensor | None = None
    expected: Tensor | None = None
    masked: Tensor | None = None

    @classmethod
    def of_views(
        cls,
        depth: Tensor,
        intrinsics: Intrinsics | Sequence[Intrinsics],
        T_world_camera: ArrayLike,
        workspace: Workspace,
        *,
        floor: float | None,
        unseen: bool,
        under_mask: Tensor | None = None,
        read: Tensor | None = None,
    ) -> Observed:
        """From depth images (V, H, W), metres, with camera poses (V, 4, 4) in the workspace frame.

        Args:
            depth, intrinsics, T_world_camera: the views.
            workspace: the cube and its voxels.
            floor: points below this height (m) are the table's; None if there is none known.
            unseen: whether unseen space is asked for.
            under_mask: the images with no reading but under the masks; None without masks.
            read: see `observed_points`.
        """
        views = (depth, intrinsics, T_world_camera, workspace)
        points, masked = observed_points(*views, read=read), None
        if under_mask is not None:
            masked = _above(observed_points(under_mask, *views[1:]), floor)
        hidden = unseen_voxels(*views) if unseen else None
        return cls(points, _above(points, floor), hidden, masked=masked)

    @classmethod
    def of_volume(
        cls,
        tsdf: Tensor,
        encoding: str,
        workspace: Workspace,
        *,
        floor: float | None,
        unseen: bool,
    ) -> Observed:
        """From a TSDF (K, K, K): the middles of its surface voxels are the points.

        Raises:
            ValueError: unseen space is asked of an encoding that does not tell it from free space.
        """
        if unseen and encoding != "full":
            raise ValueError(
                f"a volume in the encoding {encoding!r} does not tell unseen from free space; plan "
                "from the depth images, or set unseen='free'"
            )
        axis = voxel_axis(workspace, device=tsdf.device)
        points = axis[surface_voxels(tsdf).nonzero()]
        hidden = tsdf <= 0.5 - SEED_WIDTH / 2 if unseen else None
        return cls(points, _above(points, floor), hidden)


def expecting(seen: Observed, filled: Tensor, workspace: Workspace) -> Observed:
    """The same, with unseen voxels (K, K, K) that are expected to be filled."""
    fine = replace(workspace, resolution=len(filled))
    return replace(seen, expected=voxel_axis(fine, device=filled.device)[filled.nonzero()])


def _above(points: Tensor, floor: float | None) -> Tensor:
    return points if floor is None else points[points[:, 2] > floor]


def collisions(hands: Candidates, hand: Hand, points: Tensor, clearance: float) -> Tensor:
    """How many points (P,) come too near to each hand or get into its way.

    Args:
        hands: P of them.
        hand: their boxes.
        points: (N, 3), metres.
        clearance: distance that is kept, metres; 0 counts what is inside. `TOLERANCE` is taken off.
    """
    limit = clearance - TOLERANCE
    local = in_hands(points, hands)
    near = _near(local, hand, max(limit, 0.0)).flatten().nonzero()[:, 0]
    local = local.flatten(1).index_select(1, near)
    which = near.div(max(1, len(points)), rounding_mode="floor")
    half = 0.5 * openings(hands, hand).to(points)[which]
    touched = nearer(folded(local), swept(hand.finger_box), half, limit)
    touched |= nearer(local, swept(hand.palm_box), 0.0, limit)
    return torch.bincount(which[touched], minlength=len(hands.tips))


def clearances(hands: Candidates, hand: Hand, points: Tensor) -> Tensor:
    """Room (P,) in metres between each open hand, with its way, and what was seen.

    As `collisions` counts it: a hand is kept at a clearance just if it has this much room. So
    `FEW` points are taken for noise, and noise may reach `TOLERANCE` deep; negative room means
    that the hand touches something. Infinite where there are no more than `FEW` points.

    Args:
        hands: P of them.
        hand: their boxes.
        points: (N, 3) of the surface, metres.
    """
    if len(points) <= FEW or not len(hands.tips):
        return torch.full((len(hands.tips),), torch.inf, device=hands.tips.device)
    local = in_hands(points, hands)
    half = 0.5 * openings(hands, hand).to(points)[:, None]
    away = torch.minimum(
        box_distance(folded(local), swept(hand.finger_box), half),
        box_distance(local, swept(hand.palm_box)),
    )
    return away.kthvalue(FEW + 1, 1).values + TOLERANCE


def points_between(hands: Candidates, hand: Hand, points: Tensor) -> Tensor:
    """How many points (P,) of (N, 3) lie between the pads of each open hand."""
    local = in_hands(points, hands)
    low, high = hand.finger_box
    half = 0.5 * openings(hands, hand).to(points)[:, None]
    x, y, z = folded(local)
    inside = (x > low[0]) & (x < high[0]) & (y < half) & (z > low[2]) & (z < high[2])
    return inside.sum(1)


def unseen_share(
    hands: Candidates, hand: Hand, unseen: Tensor, workspace: Workspace, *, fingers: bool
) -> Tensor:
    """Share (P,) of a part of each hand, with its way, in unseen voxels; that of the worst part.

    Args:
        hands: P of them.
        hand: their boxes.
        unseen: (K, K, K) bool; what lies outside the cube does not count as unseen.
        workspace: the cube.
        fingers: whether each of the fingers counts as a part too, or the palm alone.
    """
    # What lies outside falls into a margin where nothing is unseen.
    voxels = F.pad(unseen, (1,) * 6)
    share = _share_in(_samples(swept(hand.palm_box)), hands, voxels, workspace)
    if fingers:
        left, half = _samples(swept(hand.finger_box)), 0.5 * openings(hands, hand)
        right = left * left.new_tensor([-1.0, -1.0, 1.0])
        for finger, moved in ((left, half), (right, -half)):
            part = _share_in(finger, hands, voxels, workspace, moved)
            share = torch.maximum(share, part)
    return share


def _share_in(
    places: Tensor,
    hands: Candidates,
    voxels: Tensor,
    workspace: Workspace,
    moved: Tensor | float = 0.0,
) -> Tensor:
    """Share (P,) of places (S, 3) in the frames of the hands, all of a hand moved along its closing
    direction by `moved` (P,), that lies in voxels (K + 2, K + 2, K + 2) with an empty margin."""
    n = voxels.shape[-1] - 2
    scale, half = n / workspace.side, n // 2
    # About the middle of the cube, so that turns of the workspace change no rounding.
    turned = hands.rotation.movedim(1, 0).flatten(0, 1) @ (places.to(hands.tips) * scale).T
    closing = hands.rotation[..., 1].T * moved
    middle = (hands.tips - workspace.side / 2).T + closing
    at = turned.unflatten(0, (3, -1)) + (middle * scale).unsqueeze(-1)
    x, y, z = at.floor_().clamp_(-half - 1, n - half).int().add_(half + 1)
    index = x.mul_(n + 2).add_(y).mul_(n + 2).add_(z)
    held = voxels.flatten().index_select(0, index.flatten()).view_as(index)
    return held.sum(1).double() / len(places)


def _near(local: Tensor, hand: Hand, distance: float) -> Tensor:
    """Points (P, N) of (3, P, N) that may be this near to a hand: few others are between the planes
    beside its boxes and below the one before them."""
    boxes = (hand.finger_box, hand.palm_box)
    side = max(max(-box.lower[0], box.upper[0]) for box in boxes) + distance
    return (local[0].abs() < side) & (local[2] < max(box.upper[2] for box in boxes) + distance)


def _samples(box: Box) -> Tensor:
    """Places (S, 3) in a box, evenly spread, the same at both ends of every axis."""
    axes = []
    for low, high in zip(*box, strict=True):
        count = max(1, round((high - low) / SAMPLES_APART))
        axes.append(low + (torch.arange(count) + 0.5) * ((high - low) / count))
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
