"""Propose grasps on the surface of a scene: along normals, and as antipodal contact pairs.

Points are spread evenly over the whole surface of the objects, hidden parts included, so that a
network also sees what the camera does not. `visible` says which points the first view does see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from equigrasp.data.vocabulary import Source
from equigrasp.geometry.transforms import frame_from_approach, make_transform
from equigrasp.hand import PANDA, Hand
from sim.grasping.sweep import table_clearance

if TYPE_CHECKING:
    from sim.scene.renderer import SceneGeometry

Samples = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Positions, rotations and seed points of sampled grasps."""
Sampler = Callable[["SceneGeometry", Hand, np.random.Generator, int], Samples]
"""Samples so many grasps and returns those that it does not reject."""

MIN_NORMAL_Z = -0.1
"""Normal-aligned grasps start where the surface does not face down more than this."""
FRICTION_CONE = np.pi / 4
"""Half angle of the friction cone at friction 1."""
MAX_APPROACH_Z = 0.1
"""Antipodal grasps do not approach from further below than this (z of the approach)."""
TABLE_CLEARANCE = 0.003
"""Height of an antipodal grasp's hand over the table."""
LINE_SCATTER = 0.2
"""Largest spread of the closing line about the surface normal, in radians per axis. Every line has
its own, uniform up to this one: what is nearly as wide as the hand only the straight ones pass."""
BORDER = 0.02
"""Margin of the workspace walls that grasp points stay clear of."""
MAX_ROUNDS = 200
"""Rounds of rejection sampling before giving up."""


def depth_range(hand: Hand) -> tuple[float, float]:
    """Least and largest height in metres of the finger root over a point, along its normal."""
    return -0.1 * hand.finger_depth, 1.1 * hand.finger_depth


def pair_width(hand: Hand) -> tuple[float, float]:
    """Distances of two contacts that a hand can span, with a millimetre of play per side."""
    return 0.004, hand.opening - 0.002


def pair_depth(hand: Hand) -> tuple[float, float]:
    """Least and largest reach in metres of the finger tips beyond the line between contacts."""
    return hand.finger_depth / 25, hand.finger_depth * 4 / 5


@dataclass(frozen=True)
class Candidates:
    """G proposed grasps; yaw k of a grasp is `rotation @ yaw_turns(5)[k]`.

    Attributes:
        position: (G, 3) finger-tip TCP in metres, workspace frame.
        rotation: (G, 3, 3) rotation of the grasp frame at yaw 0.
        source: (G,) uint8, see `Source`.
        visible: (G,) bool, whether the surface point the grasp was drawn from is seen.
    """

    position: np.ndarray
    rotation: np.ndarray
    source: np.ndarray
    visible: np.ndarray

    def __len__(self) -> int:
        return len(self.position)

    def __add__(self, other: Candidates) -> Candidates:
        """Both, one after the other."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Candidates(*(np.concatenate(pair) for pair in pairs))

    @classmethod
    def none(cls) -> Candidates:
        """No candidate at all."""
        return cls(np.zeros((0, 3)), np.zeros((0, 3, 3)), np.zeros(0, np.uint8), np.zeros(0, bool))

    def select(self, index: np.ndarray) -> Candidates:
        """The grasps of an index or boolean array."""
        return Candidates(
            self.position[index], self.rotation[index], self.source[index], self.visible[index]
        )


def propose(
    geometry: SceneGeometry,
    rng: np.random.Generator,
    count: int,
    mix: float = 0.5,
    camera_position: np.ndarray | None = None,
    hand: Hand = PANDA,
) -> Candidates:
    """Draw `count` grasps on the objects of a scene.

    Args:
        geometry: the scene; only its objects are grasped.
        rng: source of randomness; the same state gives the same grasps.
        mix: share of antipodal contact pairs; the rest is aligned with normals.
        camera_position: (3,) eye of the first view, for `visible`; None marks all as visible.
        hand: what grasps.

    Returns:
        `count` candidates in random order. Where a scene offers hardly any antipodal pair,
        normal-aligned grasps fill up; where it offers neither, there are fewer. Empty if the scene
        has no object.

    Raises:
        ValueError: if `mix` is outside [0, 1] or `count` is negative.
    """
    if not 0.0 <= mix <= 1.0 or count < 0:
        raise ValueError(f"mix={mix}, count={count}: give mix in [0, 1] and count >= 0")
    if not len(geometry) or count == 0:
        return Candidates.none()
    pairs = _collect(_antipodal, geometry, hand, rng, int(rng.binomial(count, mix)))
    normals = _collect(_normal_aligned, geometry, hand, rng, count - len(pairs[0]))
    position, rotation, seed = (np.concatenate(parts) for parts in zip(pairs, normals, strict=True))
    source = np.full(len(position), Source.NORMAL, np.uint8)
    source[: len(pairs[0])] = Source.ANTIPODAL
    visible = np.ones(len(position), bool)
    if camera_position is not None:
        visible = seen_from(geometry, np.asarray(camera_position, float), seed)
    order = rng.permutation(len(position))
    return Candidates(position, rotation, source, visible).select(order)


def seen_from(geometry: SceneGeometry, eye: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(n,) bool, whether no object lies between the eye (3,) and each surface point (n, 3)."""
    direction = points - eye
    # The ray has length 1 at the point itself; a tenth of a millimetre absorbs float32.
    slack = 1e-4 / np.linalg.norm(direction, axis=1)
    return geometry.cast(eye, direction, table=False).distance > 1.0 - slack


def _collect(
    sample: Sampler, geometry: SceneGeometry, hand: Hand, rng: np.random.Generator, count: int
) -> Samples:
    """Repeat a rejection sampler until it has given `count` grasps, or `MAX_ROUNDS` times."""
    parts = [(np.zeros((0, 3)), np.zeros((0, 3, 3)), np.zeros((0, 3)))]
    missing, size = count, 4 * count
    for _ in range(MAX_ROUNDS):
        if missing <= 0:
            break
        position, rotation, seed = sample(geometry, hand, rng, size)
        parts.append((position[:missing], rotation[:missing], seed[:missing]))
        missing -= len(parts[-1][0])
    position, rotation, seed = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return position, rotation, seed


def _root_inside(position: np.ndarray, approach: np.ndarray, hand: Hand, side: float) -> np.ndarray:
    """Whether the finger root lies in the part of the workspace that data sets keep."""
    root = position - hand.finger_depth * approach
    inside = (root[:, :2] > BORDER).all(1) & (root[:, :2] < side - BORDER).all(1)
    return inside & (root[:, 2] > BORDER) & (root[:, 2] < side)


def _normal_aligned(
    geometry: SceneGeometry, hand: Hand, rng: np.random.Generator, count: int
) -> Samples:
    """Approach against the normal, finger root a random depth above the point (VGN)."""
    point, normal, _ = geometry.sample_surface(count, rng)
    root = point + rng.uniform(*depth_range(hand), (count, 1)) * normal
    approach = -normal
    position = root + hand.finger_depth * approach
    keep = normal[:, 2] > MIN_NORMAL_Z
    keep &= _root_inside(position, approach, hand, geometry.workspace.side)
    return position[keep], frame_from_approach(approach[keep]), point[keep]


def _antipodal(
    geometry: SceneGeometry, hand: Hand, rng: np.random.Generator, count: int
) -> Samples:
    """Close along a line whose two contacts both lie in their friction cones."""
    point, normal, body = geometry.sample_surface(count, rng)
    line = _scatter(-normal, rng)
    exit_ = geometry.cast(point + 1e-5 * line, line, table=False)
    width = exit_.distance.astype(float) + 1e-5
    narrow, wide = pair_width(hand)
    keep = (width > narrow) & (width < wide) & (exit_.body == body)
    cone = np.cos(FRICTION_CONE)
    keep &= -np.sum(line * normal, axis=1) > cone
    keep &= np.sum(line * exit_.normal, axis=1) > cone
    point, line, width = point[keep], line[keep], width[keep]
    approach = _random_perpendicular(line, rng)
    centre = point + 0.5 * width[:, None] * line
    position = centre + rng.uniform(*pair_depth(hand), (len(line), 1)) * approach
    rotation = frame_from_approach(approach, line)
    keep = approach[:, 2] < MAX_APPROACH_Z
    keep &= _root_inside(position, approach, hand, geometry.workspace.side)
    # The hand stays clear of the table at yaw 0: contacts with it would be most of the failures.
    poses, table_height = make_transform(rotation, position), geometry.workspace.table_height
    keep &= table_clearance(poses, hand, table_height).min(axis=1) > TABLE_CLEARANCE
    return position[keep], rotation[keep], point[keep]


def _scatter(direction: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors scattered around unit vectors."""
    spread = rng.uniform(0.0, LINE_SCATTER, (len(direction), 1))
    scattered = direction + spread * rng.normal(size=direction.shape)
    return scattered / np.linalg.norm(scattered, axis=1, keepdims=True)


def _random_perpendicular(line: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors perpendicular to `line`, the upward ones turned down: hands come from above."""
    raw = rng.normal(size=line.shape)
    raw -= np.sum(raw * line, axis=1, keepdims=True) * line
    raw /= np.linalg.norm(raw, axis=1, keepdims=True)
    flip = raw[:, 2] > rng.uniform(0.0, MAX_APPROACH_Z, len(raw))
    return np.where(flip[:, None], -raw, raw)
