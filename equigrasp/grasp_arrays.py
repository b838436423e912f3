"""Lists of grasps as arrays, and what is read of such lists in files and messages."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from equigrasp.geometry.rotations import matrix_to_quaternion
from equigrasp.geometry.transforms import quaternion_to_transform
from equigrasp.grasp import PREGRASP, RETREAT, Grasp
from equigrasp.hand import PANDA, Hand

Array = NDArray[np.float64]


class ExchangeError(ValueError):
    """A file or message of grasps cannot be read; the message says where."""


def hand_of(grasps: Sequence[Grasp], hand: Hand | None = None) -> Hand:
    """The hand that is told; else the one a plan was made for; else the Panda's."""
    return hand or getattr(grasps, "hand", PANDA)


def poses(grasps: Sequence[Grasp], convention: str = "tcp", hand: Hand | None = None) -> Array:
    """Poses (N, 4, 4) of grasps in a convention of `equigrasp.grasp.CONVENTIONS`; see `hand_of`."""
    hand = hand_of(grasps, hand)
    return np.array([grasp.to(convention, hand) for grasp in grasps]).reshape(-1, 4, 4)


def quaternions(T: ArrayLike) -> Array:
    """Unit quaternions (N, 4), xyzw, w >= 0, of poses (N, 4, 4)."""
    rotation = torch.from_numpy(np.asarray(T, dtype=np.float64).reshape(-1, 4, 4)[:, :3, :3])
    found = matrix_to_quaternion(rotation).numpy()
    return np.where(found[:, 3:] < 0, -found, found)


def to_arrays(
    grasps: Sequence[Grasp], convention: str = "tcp", hand: Hand | None = None
) -> dict[str, Array]:
    """`poses` (N, 4, 4), `widths` (N,) in metres and `scores` (N,)."""
    return {
        "poses": poses(grasps, convention, hand),
        "widths": np.array([grasp.width for grasp in grasps]),
        "scores": np.array([grasp.score for grasp in grasps]),
    }


class GraspList:
    """What holds `grasps`, best first: a sequence of them, and their arrays.

    Attributes:
        grasps: best first.
        up: (3,) unit vector, direction of up in their frame.
    """

    grasps: Sequence[Grasp]
    up: tuple[float, float, float]

    def __len__(self) -> int:
        return len(self.grasps)

    def __iter__(self) -> Iterator[Grasp]:
        return iter(self.grasps)

    def __getitem__(self, number: int) -> Grasp:
        return self.grasps[number]

    @property
    def poses(self) -> Array:
        """(N, 4, 4) of the grasp frames (TCP), metres."""
        return poses(self.grasps)

    @property
    def widths(self) -> Array:
        """(N,) openings, metres."""
        return np.array([grasp.width for grasp in self.grasps])

    @property
    def scores(self) -> Array:
        """(N,) probabilities of success, NaN where unknown."""
        return np.array([grasp.score for grasp in self.grasps])

    def pregrasps(self, distance: float = PREGRASP) -> Array:
        """(N, 4, 4) from where the hands come straight along their approach, `distance` m away."""
        return poses([grasp.backed(distance) for grasp in self.grasps])

    def retreats(self, distance: float = RETREAT) -> Array:
        """(N, 4, 4) to where the hands leave, see `Grasp.retreated`."""
        return poses([grasp.retreated(distance, self.up) for grasp in self.grasps])

    def facts(self) -> dict[str, Any]:
        """What files say beside the grasps: texts, numbers, counts, and an entry for each grasp."""
        return {"pregrasps": self.pregrasps(), "retreats": self.retreats(), "up": list(self.up)}


def from_arrays(
    arrays: Mapping[str, ArrayLike], convention: str = "tcp", hand: Hand = PANDA
) -> list[Grasp]:
    """Inverse of `to_arrays`; without `scores` they are unknown.

    Raises:
        ExchangeError: arrays that do not belong together, or no grasps.
    """
    T, widths = (np.asarray(entry(arrays, name), dtype=float) for name in ("poses", "widths"))
    scores = np.asarray(arrays.get("scores", np.full(len(widths), np.nan)), dtype=float)
    if T.shape != (len(widths), 4, 4) or scores.shape != widths.shape or widths.ndim != 1:
        raise ExchangeError(
            f"poses have shape {T.shape}, widths {widths.shape}, scores {scores.shape}; give "
            "(N, 4, 4), (N,), (N,)"
        )
    try:
        rows = zip(T, widths, scores, strict=True)
        return [
            Grasp.from_convention(pose, float(width), convention, float(score), hand=hand)
            for pose, width, score in rows
        ]
    except ValueError as error:
        raise ExchangeError(f"these are no grasps: {error}") from None


def listed(
    T: Sequence[Array], told: Sequence[tuple[Any, Any]], convention: str, hand: Hand
) -> list[Grasp]:
    """Grasps of poses (4, 4), each with its width and its score, None where it is not known."""
    widths = [numbers([width], 1, "width")[0] for width, _ in told]
    scores = [np.nan if s is None else numbers([s], 1, "score")[0] for _, s in told]
    arrays = {"poses": np.reshape(T, (-1, 4, 4)), "widths": widths, "scores": scores}
    return from_arrays(arrays, convention, hand)


def entry(values: Any, name: str) -> Any:
    """An entry of a mapping.

    Raises:
        ExchangeError: it has none of that name, or is no mapping.
    """
    if not isinstance(values, Mapping) or name not in values:
        raise ExchangeError(f"{reprlib.repr(values)} has no '{name}'")
    return values[name]


def numbers(value: Any, count: int, name: str) -> Array:
    """So many finite numbers, from what a file says.

    Raises:
        ExchangeError: it says something else.
    """
    try:
        found = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.shape != (count,) or not np.isfinite(found).all():
        raise ExchangeError(f"{name} is {reprlib.repr(value)}; give {count} finite numbers")
    return found


def pose_of(position: Any, quaternion: Any) -> Array:
    """(4, 4) of a position and a quaternion xyzw, from what a file says.

    Raises:
        ExchangeError: these are no numbers, or the quaternion is not of length 1.
    """
    q = numbers(quaternion, 4, "the quaternion")
    if not 0.9 < np.linalg.norm(q) < 1.1:
        raise ExchangeError(f"the quaternion {q.tolist()} is not of length 1")
    return quaternion_to_transform(q, numbers(position, 3, "position"))
