"""Parallel-jaw grasps and the frame conventions of other grasping software.

The grasp frame has its origin between the finger tips (TCP), z along the approach, y along the
closing direction, and x completing them. R and R Rz(pi) are the same grasp.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.constants import FINGER_DEPTH, TCP_FROM_HAND
from equigrasp.geometry.transforms import inverse_transform, is_rotation, make_transform

_AXES = {
    "zyx": np.eye(3),
    # graspnetAPI: x approaches, y closes. GraspGen: z approaches, x closes.
    "graspnet": np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
    "graspgen": np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
}

CONVENTIONS = {
    "tcp": make_transform(_AXES["zyx"], (0.0, 0.0, 0.0)),
    "vgn": make_transform(_AXES["zyx"], (0.0, 0.0, -FINGER_DEPTH)),
    "graspnet": make_transform(_AXES["graspnet"], (0.0, 0.0, 0.0)),
    "graspgen": make_transform(_AXES["graspgen"], (0.0, 0.0, -TCP_FROM_HAND)),
}
"""`T_tcp_other` of each convention: "vgn" (VGN, GIGA, IGD: origin at the finger root), "graspnet"
(graspnetAPI axes, origin between the tips), "graspgen" (origin at the hand's base frame)."""


@dataclass(frozen=True)
class Grasp:
    """One grasp in the workspace frame (or any frame its user names).

    Attributes:
        position: (3,) TCP between the finger tips, metres.
        rotation: (3, 3), columns x, y (closing), z (approach).
        width: opening in metres.
        score: estimated probability of success, NaN if unknown.
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

    def to(self, convention: str) -> NDArray[np.float64]:
        """(4, 4) pose of another software's grasp frame; see `CONVENTIONS`.

        Raises:
            ValueError: for an unknown convention.
        """
        return self.T_world_grasp @ _offset(convention)

    @classmethod
    def from_convention(
        cls, T: ArrayLike, width: float, convention: str = "tcp", score: float = float("nan")
    ) -> Grasp:
        """Inverse of `to`: a grasp from another software's pose (4, 4) and opening in metres."""
        T = np.asarray(T, dtype=np.float64) @ inverse_transform(_offset(convention))
        return cls(T[:3, 3], T[:3, :3], width, score)

    def transformed(self, T_new_old: ArrayLike) -> Grasp:
        """The same grasp expressed in another frame."""
        T = np.asarray(T_new_old, dtype=np.float64) @ self.T_world_grasp
        return Grasp(T[:3, 3], T[:3, :3], self.width, self.score)


def _offset(convention: str) -> NDArray[np.float64]:
    if convention not in CONVENTIONS:
        raise ValueError(
            f"convention is {convention!r}; choose one of {', '.join(sorted(CONVENTIONS))}"
        )
    return CONVENTIONS[convention]
