"""Which grasps are asked for: where their tips lie and from where the hand comes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from equigrasp.geometry.transforms import Matrix
from equigrasp.options import check_option

Direction = tuple[float, float, float]
ANGLES = {"within": (1e-3, math.pi)}
"""Limits of the angle, radians."""


@dataclass(frozen=True)
class Wanted:
    """Limits on grasps, in the frame in which a plan gives them back.

    Attributes:
        region: lower and upper corner of the box in which finger tips lie, metres; None for
            anywhere. Infinity leaves a side open.
        approach: direction along which the hand comes, of any length: (0, 0, -1) is straight down;
            None for any.
        within: largest angle between the hand's approach and that direction, radians.
        forbidden: directions along which the hand must not come, each with the angle (radians)
            around it that is forbidden too: a wall, the side of a bin, the robot itself.

    Raises:
        ValueError: a region without inside, a direction of no length, an angle beyond its limits.
    """

    region: tuple[Direction, Direction] | None = None
    approach: Direction | None = None
    within: float = math.pi / 4
    forbidden: Sequence[tuple[Direction, float]] = ()

    def __post_init__(self) -> None:
        check_option("within", self.within, "float", ANGLES)
        if self.region is not None:
            object.__setattr__(self, "region", _region(self.region))
        if self.approach is not None:
            object.__setattr__(self, "approach", _direction(self.approach, "approach"))
        pairs = []
        for pair in self.forbidden:
            if not isinstance(pair, Sequence) or len(pair) != 2:
                raise ValueError(f"forbidden holds {pair!r}; give pairs of direction and angle")
            check_option("the angle of forbidden", pair[1], "float", {})
            if not 0 < pair[1] <= math.pi:
                raise ValueError(f"forbidden has the angle {pair[1]}; give radians, 0 to pi")
            pairs.append((_direction(pair[0], "forbidden"), float(pair[1])))
        object.__setattr__(self, "forbidden", tuple(pairs))

    def holds(self, points: Tensor, T_given_workspace: Matrix | None, slack: float = 0.0) -> Tensor:
        """Which points (P, 3), metres in the workspace frame, lie in the region: (P,) bool.

        Args:
            points: finger tips.
            T_given_workspace: (4, 4) pose of the workspace in the frame of the limits; None if
                they are one.
            slack: metres by which the box is taken to be larger.
        """
        if self.region is None:
            return torch.ones(len(points), dtype=torch.bool, device=points.device)
        T = torch.as_tensor(np.eye(4) if T_given_workspace is None else T_given_workspace)
        T = T.to(points.device)
        low, high = torch.as_tensor(self.region, device=points.device)
        placed = points.double() @ T[:3, :3].T + T[:3, 3]
        return ((placed >= low - slack) & (placed <= high + slack)).all(-1)

    def admits(self, approach: Tensor, T_given_workspace: Matrix | None) -> Tensor:
        """Which approaches (P, 3), unit vectors in the workspace frame, are allowed: (P,) bool."""
        cones = [] if self.approach is None else [(self.approach, self.within, False)]
        cones += [(direction, angle, True) for direction, angle in self.forbidden]
        allowed = torch.ones(len(approach), dtype=torch.bool, device=approach.device)
        turn = np.eye(3) if T_given_workspace is None else T_given_workspace[:3, :3]
        for direction, angle, forbidden in cones:
            axis = torch.as_tensor(np.asarray(direction) @ turn, device=approach.device)
            inside = approach.double() @ axis >= math.cos(angle)
            allowed &= ~inside if forbidden else inside
        return allowed


ANY = Wanted()
"""All grasps."""


def check_wanted(wanted: Wanted | None) -> Wanted:
    """What a user asks for, `ANY` where nothing is.

    Raises:
        ValueError: it is something else.
    """
    if wanted is None:
        return ANY
    if not isinstance(wanted, Wanted):
        raise ValueError(f"wanted is {wanted!r}; give equigrasp.wanted.Wanted(region=..., ...)")
    return wanted


def _numbers(value: ArrayLike, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    try:
        found = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.shape != shape or np.isnan(found).any():
        raise ValueError(f"{name} is {value!r}; give numbers of shape {shape}")
    return found


def _region(value: ArrayLike) -> tuple[Direction, Direction]:
    corners = _numbers(value, "region", (2, 3))
    if not (corners[0] < corners[1]).all():
        raise ValueError(
            f"region is {value!r}; its lower corner must lie below the upper one on every axis"
        )
    return tuple(corners[0].tolist()), tuple(corners[1].tolist())


def _direction(value: ArrayLike, name: str) -> Direction:
    found = _numbers(value, name, (3,))
    length = float(np.linalg.norm(found))
    if not 1e-9 < length < math.inf:
        raise ValueError(f"{name} is {value!r}; give a direction of finite, positive length")
    return tuple((found / length).tolist())
