"""Items of recorded episodes: what was seen lately, and the chunk of actions around it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equigrasp.policy.chunks.chunk_io import Observed, image_tensor, normalised
from equigrasp.policy.replays.replay import Replay


class ChunkDataset:
    """Items by key (epoch, index), a pure function of key and seed (see `KeyedDataset`).

    An item holds state (O, S), actions (L, 2), both normalised, and the picture (O, 3, crop, crop)
    where pictures are seen, cut out anywhere while training. Before the start of an episode its
    first frame is repeated, after its end its last action, at most `executed` - 1 times: as
    published.

    Args:
        replay: episodes.
        sees: "state" or "image".
        horizon, observed, executed: L, O and the actions played, see `DiffusionPolicy`.
        crop: side of pictures; None leaves them as they are, for the middle to be taken.
        seed: of the places where pictures are cut out.

    Raises:
        ValueError: pictures are to be seen, and there are none.
    """

    def __init__(
        self,
        replay: Replay,
        *,
        sees: str,
        horizon: int,
        observed: int,
        executed: int,
        crop: int | None = None,
        seed: int = 0,
    ) -> None:
        self.replay, self.crop, self.seed = replay, crop, seed
        self.horizon, self.observed = horizon, observed
        if sees == "image" and replay.image is None:
            raise ValueError("these episodes hold no pictures; read them with images=True")
        self.image = replay.image if sees == "image" else None
        self.state = normalised(replay.agent if sees == "image" else replay.state)
        self.action = normalised(replay.action)
        self.windows = windows(replay.ends, horizon, observed, executed)

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Tensor]:
        """The item of a key (epoch, index)."""
        first, start, end = self.windows[key[1]]
        frames = np.arange(first, first + self.horizon).clip(start, end - 1)
        seen = frames[: self.observed]
        item = {
            "state": torch.as_tensor(self.state[seen]),
            "action": torch.as_tensor(self.action[frames]),
        }
        if self.image is not None:
            item["image"] = image_tensor(self._cut(self.image[seen], key))
        return item

    def _cut(self, images: NDArray, key: tuple[int, int]) -> NDArray:
        if self.crop is None:
            return images
        room = [side - self.crop for side in images.shape[1:3]]
        if min(room) < 0:
            raise ValueError(f"pictures of {images.shape[1:3]} hold no crop={self.crop}")
        y, x = np.random.default_rng([self.seed, *key]).integers(0, np.array(room) + 1)
        return images[:, y : y + self.crop, x : x + self.crop]


def observed_of(batch: dict[str, Tensor]) -> Observed:
    """What was seen in a batch of items."""
    return Observed(batch["state"], batch.get("image"))


def windows(ends: NDArray, horizon: int, observed: int, executed: int) -> NDArray[np.int64]:
    """First frame of every chunk, and where its episode starts and ends: (n, 3).

    Args:
        ends: (E,) of the episodes.
        horizon, observed, executed: see `ChunkDataset`.
    """
    rows = []
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        first = start - (observed - 1)
        last = max(first, end - horizon + executed - 1)
        rows += [(frame, start, end) for frame in range(first, last + 1)]
    return np.array(rows, dtype=np.int64)


def split_episodes(count: int, val_fraction: float) -> tuple[list[int], list[int]]:
    """Numbers of the episodes for training and for validation, at least one each.

    Args:
        count: of episodes.
        val_fraction: share held out.

    Raises:
        ValueError: fewer than two episodes, or no share.
    """
    if count < 2 or not 0 < val_fraction < 1:
        raise ValueError(
            f"{count} episodes, of which val_fraction={val_fraction} are held out; give at least "
            "2, and a share between 0 and 1"
        )
    held = min(count - 1, max(1, round(val_fraction * count)))
    order: Sequence[int] = np.random.default_rng(0).permutation(count).tolist()
    return sorted(order[held:]), sorted(order[:held])
