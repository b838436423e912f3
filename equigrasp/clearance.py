"""The hand against what was seen: boxes of an open hand on its way, and points of the surface.

Palm and fingers are the boxes of `equigrasp.hand.Hand`, drawn out against the approach by the way
that the hand comes; points of the observed surface are tested in the frame of every hand at once.
Nothing here knows a direction of the workspace, so it commutes with all turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from equigrasp.candidates import Candidates
from equigrasp.hand import Box, Hand
from equigrasp.perception.camera import Intrinsics
from equigrasp.perception.surface import (
    SEED_WIDTH,
    observed_points,
    surface_voxels,
    unseen_voxels,
)
from equigrasp.perception.tsdf import voxel_axis
from equigrasp.workspace import Workspace

SWEEP = 0.05
"""Way along the approach that has to be free, metres: that of the published trial."""
TOLERANCE = 0.005
"""Surface this deep (m) in the hand is taken for noise of the depth image."""
FEW = 3
"""So many points deeper than that are taken for noise too."""
OPENED = 0.01
"""A hand on its way is opened this much (m) wider than predicted, as far as it can be."""
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
    ) -> Observed:
        """From depth images (V, H, W), metres, with camera poses (V, 4, 4) in the workspace frame.

        Args:
            depth, intrinsics, T_world_camera: the views.
            workspace: the cube and its voxels.
            floor: points below this height (m) are the table's; None if there is none known.
            unseen: whether unseen space is asked for.
            under_mask: the images with no reading but under the masks; None without masks.
        """
        views = (depth, intrinsics, T_world_camera, workspace)
        points, masked = observed_points(*views), None
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


def openings(hands: Candidates, hand: Hand) -> Tensor:
    """How wide (P,), in metres, hands are open on their way."""
    return (hands.width + OPENED).clamp(max=hand.opening)


def in_hands(points: Tensor, hands: Candidates) -> Tensor:
    """Points (N, 3) in the frames of the hands, metres; (3, P, N), x, y and z apart."""
    axes = hands.rotation.movedim(-1, 0).to(points)
    origin = (axes * hands.tips.to(points)).sum(-1, keepdim=True)
    return (axes.reshape(-1, 3) @ points.T).reshape(3, len(hands.tips), len(points)) - origin


def folded(local: Tensor) -> Tensor:
    """Points (3, ...) in the frame of a hand, those of its right half turned onto its left one by
    the half turn about the approach that carries one finger into the other."""
    sign = torch.where(local[1] < 0, -1.0, 1.0)
    return torch.stack([local[0] * sign, local[1].abs(), local[2]])


def box_distance(local: Tensor, box: Box, shift: Tensor | float = 0.0) -> Tensor:
    """Signed distance (...) of points (3, ...) to a box, metres; negative inside.

    Args:
        local: x, y and z in the frame of the box.
        box: its corners.
        shift: along y, of the box; a number, or one that broadcasts with (...).
    """
    outside: Tensor | float = 0.0
    deepest: Tensor | None = None
    for axis in range(3):
        middle = 0.5 * (box.lower[axis] + box.upper[axis])
        half = 0.5 * (box.upper[axis] - box.lower[axis])
        offset = local[axis] - (middle + shift) if axis == 1 else local[axis] - middle
        beyond = offset.abs_().sub_(half)
        deepest = beyond if deepest is None else torch.maximum(deepest, beyond)
        outside = outside + beyond.clamp(min=0.0).square_()
    return outside.sqrt_().add_(deepest.clamp(max=0.0))


def swept(box: Box, sweep: float = SWEEP) -> Box:
    """What a box passes through on a straight way along the approach to where it is."""
    return Box((*box.lower[:2], box.lower[2] - sweep), box.upper)


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
    near = _near(local, hand, clearance)
    local, which = local[:, near], near.nonzero()[:, 0]
    half = 0.5 * openings(hands, hand).to(points)[which]
    touched = box_distance(folded(local), swept(hand.finger_box), half) < limit
    touched |= box_distance(local, swept(hand.palm_box)) < limit
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
    places = _samples(swept(hand.palm_box)).to(hands.tips)
    share = _share_in(places.expand(len(hands.tips), -1, -1), hands, unseen, workspace)
    if fingers:
        left = _samples(swept(hand.finger_box)).to(hands.tips).repeat(len(hands.tips), 1, 1)
        left[..., 1] += 0.5 * openings(hands, hand)[:, None]
        for finger in (left, left * left.new_tensor([-1.0, -1.0, 1.0])):
            share = torch.maximum(share, _share_in(finger, hands, unseen, workspace))
    return share


def _share_in(places: Tensor, hands: Candidates, voxels: Tensor, workspace: Workspace) -> Tensor:
    """Share (P,) of places (P, S, 3) in the frames of the hands that lies in voxels (K, K, K)."""
    world = places @ hands.rotation.mT + hands.tips[:, None]
    # About the middle of the cube, so that turns of the workspace change no rounding.
    n = voxels.shape[-1]
    cell = ((world - workspace.side / 2) * (n / workspace.side)).floor().long() + n // 2
    inside = ((cell >= 0) & (cell < n)).all(-1)
    x, y, z = cell.clamp(0, n - 1).unbind(-1)
    return (voxels[x, y, z] & inside).double().mean(1)


def _near(local: Tensor, hand: Hand, clearance: float) -> Tensor:
    """Points (P, N) of (3, P, N) that a hand could touch: within the box around its boxes."""
    boxes = (hand.finger_box, hand.palm_box)
    sides = [
        max(max(-box.lower[axis], box.upper[axis]) for box in boxes) + clearance for axis in (0, 1)
    ]
    sides[1] = max(sides[1], 0.5 * hand.opening + hand.finger_box.upper[1] + clearance)
    low = min(box.lower[2] for box in boxes) - SWEEP - clearance
    high = max(box.upper[2] for box in boxes) + clearance
    near = (local[0].abs() < sides[0]) & (local[1].abs() < sides[1])
    return near & (local[2] < high) & (local[2] > low)


def _samples(box: Box) -> Tensor:
    """Places (S, 3) in a box, evenly spread, the same at both ends of every axis."""
    axes = []
    for low, high in zip(*box, strict=True):
        count = max(1, round((high - low) / SAMPLES_APART))
        axes.append(low + (torch.arange(count) + 0.5) * ((high - low) / count))
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
