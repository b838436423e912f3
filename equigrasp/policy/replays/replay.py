"""Episodes of PushT in a row, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equigrasp.policy.replays.tee import keypoints


class ReplayError(ValueError):
    """Recorded episodes are torn, foreign or lack something; the message says what."""


@dataclass(frozen=True)
class Replay:
    """Frames of all episodes, one after the other.

    Attributes:
        action: (N, 2) float32, where the agent was sent, pixels of the square of 512.
        agent: (N, 2) float32, where it was before.
        block: (N, 3) float32, pose (x, y, angle) of the T before; None where it is not recorded.
        image: (N, H, W, 3) uint8, what was seen before; None where it is not wanted or recorded.
        coverage: (N,) float32, share of the goal covered afterwards; None where not recorded.
        ends: (E,) int64, number of frames up to the end of every episode.

    Raises:
        ReplayError: the arrays do not belong together.
    """

    action: NDArray[np.float32]
    agent: NDArray[np.float32]
    block: NDArray[np.float32] | None
    image: NDArray[np.uint8] | None
    coverage: NDArray[np.float32] | None
    ends: NDArray[np.int64]

    def __post_init__(self) -> None:
        count = len(self.action)
        shapes = {"action": (count, 2), "agent": (count, 2), "block": (count, 3)}
        shapes["coverage"] = (count,)
        for name, shape in shapes.items():
            found = getattr(self, name)
            if found is None:
                continue
            if found.shape != shape or not np.isfinite(found).all():
                raise ReplayError(f"{name} has shape {found.shape}; give finite numbers {shape}")
        image = self.image
        if image is not None and (len(image) != count or image.shape[3:] != (3,)):
            raise ReplayError(f"images have shape {image.shape}; give ({count}, H, W, 3)")
        rising = len(self.ends) > 0 and (np.diff(self.ends, prepend=0) > 0).all()
        if not rising or self.ends[-1] != count:
            raise ReplayError(
                f"episodes end at {self.ends[:5].tolist()} ...; ends have to rise from above 0 to "
                f"the number of frames, {count}"
            )

    @property
    def starts(self) -> NDArray[np.int64]:
        """(E,) the first frame of every episode."""
        return np.concatenate([[0], self.ends[:-1]])

    @property
    def state(self) -> NDArray[np.float32]:
        """(N, 18) the agent and the corners of the T.

        Raises:
            ReplayError: the T's pose is not recorded.
        """
        if self.block is None:
            raise ReplayError(
                "these episodes do not tell where the T is; train on images (model.sees=image)"
            )
        return np.concatenate([self.agent, keypoints(self.block)], 1).astype(np.float32)

    def episode(self, index: int) -> Replay:
        """One of the episodes."""
        return joined([self], [index])


def joined(replays: list[Replay], indices: list[int] | None = None) -> Replay:
    """Episodes in a row.

    Args:
        replays: whose frames follow each other; what one of them lacks, the result lacks.
        indices: which episodes of all; None for all.
    """
    spans = [(r, a, b) for r in replays for a, b in zip(r.starts, r.ends, strict=True)]
    chosen = spans if indices is None else [spans[index] for index in indices]

    def rows(name: str) -> NDArray | None:
        parts = [getattr(r, name) for r, _, _ in chosen]
        if any(part is None for part in parts):
            return None
        return np.concatenate([p[a:b] for p, (_, a, b) in zip(parts, chosen, strict=True)])

    ends = np.cumsum([b - a for _, a, b in chosen], dtype=np.int64)
    names = ("action", "agent", "block", "image", "coverage")
    return Replay(**{name: rows(name) for name in names}, ends=ends)  # type: ignore[arg-type]
