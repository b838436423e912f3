"""Episodes in the layout of Diffusion Policy's replay buffer (arXiv 2303.04137), a Zarr.

    data/action   (N, 2) where the agent is sent
    data/state    (N, 5) agent x, y, T x, y, angle
    data/img      (N, 96, 96, 3), 0 to 255; optional
    meta/episode_ends  (E,)

The published file has further arrays (keypoint, n_contacts), which nothing here needs; those that
are written here suit the published image data set and state data sets made from `state`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from equigrasp.data.files import atomic_folder
from equigrasp.policy.replays.replay import Replay, ReplayError
from equigrasp.policy.replays.zarr_arrays import open_store, read_array, write_array, write_group

ROWS, IMAGE_ROWS = 4096, 128
"""Frames of a chunk."""


def write_diffusion_policy(replay: Replay, path: Path) -> None:
    """Write episodes to a folder, whole or not at all.

    Args:
        replay: with poses of the T.
        path: of the folder, which is not there yet.

    Raises:
        ReplayError: the poses of the T are missing.
    """
    if replay.block is None:
        raise ReplayError("the layout of Diffusion Policy tells where the T is; these do not")
    with atomic_folder(path) as unfinished:
        for group in (".", "data", "meta"):
            write_group(unfinished / group)
        write_array(unfinished / "data" / "action", replay.action, ROWS)
        state = np.concatenate([replay.agent, replay.block], 1)
        write_array(unfinished / "data" / "state", state, ROWS)
        if replay.image is not None:
            write_array(unfinished / "data" / "img", replay.image, IMAGE_ROWS)
        write_array(unfinished / "meta" / "episode_ends", replay.ends, len(replay.ends))


def read_diffusion_policy(path: Path, *, images: bool, episodes: int | None = None) -> Replay:
    """Episodes of a folder, or of a zip file of one.

    Args:
        path: of the Zarr.
        images: whether pictures are wanted.
        episodes: the first so many; None for all.

    Raises:
        ReplayError: it is torn or foreign, or has no pictures though they are wanted.
    """
    store = open_store(path)
    ends = read_array(store, "meta/episode_ends").astype(np.int64)[:episodes]
    if not len(ends):
        raise ReplayError(f"{path} holds no episode")
    stop = int(ends[-1])
    state = read_array(store, "data/state", stop).astype(np.float32)
    if state.ndim != 2 or state.shape[1] != 5:
        raise ReplayError(f"data/state of {path} has shape {state.shape}; it has to be (N, 5)")
    # the published file holds whole numbers as floats
    image = read_array(store, "data/img", stop, as_bytes=True) if images else None
    action = read_array(store, "data/action", stop).astype(np.float32)
    return Replay(action, state[:, :2], state[:, 2:], image, None, ends)
