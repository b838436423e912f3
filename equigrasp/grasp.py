"""Parallel-jaw grasps and the frame conventions of other grasping software.

The grasp frame has its origin between the finger tips (TCP), z along the approach, y along the
closing direction, and x completing them. R and R Rz(pi) are the same grasp.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.geometry.transforms import (
    check_rigid,
    inverse_transform,
    is_rotation,
    make_transform,
)
from equigrasp.hand import PANDA, Hand
from equigrasp.options import is_finite

_AXES = {
    "zyx": np.eye(3),
    # graspnetAPI, GPD: x approaches, y closes. GraspGen, ACRONYM: z approaches, x closes.
    "graspnet": np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
    "graspgen": np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
}

EDGE_GRASP_BODY = 0.022
"""From the body of VGN's simulated Panda, where Edge Grasp's poses begin, to its finger root, m."""

CONVENTIONS = {
    "tcp": ("zyx", lambda hand: 0.0),
    "vgn": ("zyx", lambda hand: hand.finger_depth),
    "edgegrasp": ("zyx", lambda hand: hand.finger_depth + EDGE_GRASP_BODY),
    "graspnet": ("graspnet", lambda hand: 0.0),
    "gpd": ("graspnet", lambda hand: hand.finger_depth),
    "graspgen": ("graspgen", lambda hand: hand.tcp_from_base),
    "base": ("zyx", lambda hand: hand.tcp_from_base),
}
"""Axes of each convention, and how far (m) behind the tips its origin lies: "vgn" (VGN, GIGA, IGD:
at the finger root), "edgegrasp" (Edge Grasp and what plays in its simulator: the body of the hand),
"graspnet" (graspnetAPI: between the tips, or a grasp's own `depth` behind them), "gpd" (GPD: at
the finger root, graspnetAPI's axes), "graspgen" (GraspGen, ACRONYM, 6-DoF GraspNet: at the origin
of the hand's base frame), "base" (the same origin with our axes, as the Panda's `panda_hand` has
them: MoveIt, cuRobo, Isaac)."""


UP = (0.0, 0.0, 1.0)
"""Of the workspace frame."""
PREGRASP, RETREAT = 0.05, 0.10
"""Ways (m) along which a hand comes and leaves with what it holds, unless told otherwise: those of
the published trial in simulation."""
STEEP = np.pi / 3
"""Within this angle of straight down a hand leaves back along its approach, else straight up."""


@dataclass(frozen=True)
class Grasp:
    """One grasp in the workspace frame (or any frame its user names).

    Attributes:
        position: (3,) TCP between the finger tips, metres.
        rotation: (3, 3), columns x, y (closing), z (approach).
        width: opening in metres.
        score: estimated probability of success, NaN if unknown; as good an estimate as the model's
            calibration, see `equigrasp.calibration`.
    """

    position: NDArray[np.float64] = field(repr=False)
    rotation: NDArray[np.float64] = field(repr=False)
    width: float
    score: float = float("nan")

    def __post_init__(self) -> None:
        position = np.asarray(self.position, dtype=np.float64)
        rotation = np.asarray(self.rotation, dtype=np.float64)
        if position.shape != (3,) or not np.isfinite(position).all():
            raise ValueError(f"position is {self.position}; give 3 finite metres")
        if rotation.shape != (3, 3) or not is_rotation(rotation, 1e-3):
            raise ValueError(
                f"rotation is\n{rotation}\nwhich is not orthonormal with determinant +1; "
                "orthonormalise it (equigrasp.geometry.rotations.polar_rows)"
            )
        if not is_finite(self.width) or self.width < 0:
            raise ValueError(f"width is {self.width!r}; give the opening in metres, 0 or more")
        if not (is_finite(self.score) or self.score != self.score):
            raise ValueError(f"score is {self.score!r}; give a number, NaN if it is not known")
        object.__setattr__(self, "position", position)
        object.__setattr__(self, "rotation", rotation)

    @property
    def approach(self) -> NDArray[np.float64]:
        """(3,) unit vector along which the hand comes."""
        return self.rotation[:, 2]

    @property
    def T_world_grasp(self) -> NDArray[np.float64]:
        """(4, 4) pose of the grasp frame."""
        return make_transform(self.rotation, self.position)

    def to(self, convention: str, hand: Hand = PANDA, *, depth: float = 0.0) -> NDArray[np.float64]:
        """(4, 4) pose of another software's grasp frame.

        Args:
            convention: one of `CONVENTIONS`.
            hand: where the finger root and the hand's base are.
            depth: metres that the origin lies further behind the tips, as graspnetAPI's grasps
                say one by one.

        Raises:
            ValueError: for an unknown convention.
        """
        return self.T_world_grasp @ _offset(convention, hand, depth)

    @classmethod
    def from_convention(
        cls,
        T: ArrayLike,
        width: float,
        convention: str = "tcp",
        score: float = float("nan"),
        *,
        hand: Hand = PANDA,
        depth: float = 0.0,
    ) -> Grasp:
        """Inverse of `to`: a grasp from another software's pose (4, 4) and opening in metres."""
        T = check_rigid(T, "T") @ inverse_transform(_offset(convention, hand, depth))
        return cls(T[:3, 3], T[:3, :3], width, score)

    def backed(self, distance: float) -> Grasp:
        """The same grasp `distance` (m) back along its approach: where a straight way begins."""
        return Grasp(
            self.position - distance * self.approach, self.rotation, self.width, self.score
        )

    def retreated(self, distance: float = RETREAT, up: ArrayLike = UP) -> Grasp:
        """The same hand once it has left with what it holds, as the simulated trial lets it: back
        along its approach where that is steep, else straight up.

        Args:
            distance: metres.
            up: (3,) unit vector in the frame of the grasp.
        """
        way = distance * retreat_direction(self.approach, np.asarray(up, dtype=np.float64))
        return Grasp(self.position + way, self.rotation, self.width, self.score)

    def transformed(self, T_new_old: ArrayLike) -> Grasp:
        """The same grasp expressed in another frame."""
        T = check_rigid(T_new_old, "T_new_old") @ self.T_world_grasp
        return Grasp(T[:3, 3], T[:3, :3], self.width, self.score)


def retreat_direction(
    approach: NDArray[np.float64], up: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(3,) unit vector along which a hand leaves that came along `approach`, a unit vector too."""
    if np.arccos(np.clip(approach @ -up, -1.0, 1.0)) > STEEP:
        return up
    return -approach


def _offset(convention: str, hand: Hand, depth: float) -> NDArray[np.float64]:
    """`T_tcp_other` (4, 4) of a convention."""
    if convention not in CONVENTIONS:
        raise ValueError(
            f"convention is {convention!r}; choose one of {', '.join(sorted(CONVENTIONS))}"
        )
    axes, behind = CONVENTIONS[convention]
    return make_transform(_AXES[axes], (0.0, 0.0, -behind(hand) - depth))


def check_grasps(grasps: Sequence[Grasp]) -> list[Grasp]:
    """A list of grasps that a user gave.

    Raises:
        ValueError: it is something else.
    """
    listed = list(grasps) if isinstance(grasps, Iterable) else None
    if listed is None or not all(isinstance(grasp, Grasp) for grasp in listed):
        raise ValueError(f"avoid is {reprlib.repr(grasps)}; give a list of grasps")
    return listed
