"""Episodes of PushT from whatever layout a folder has."""

from __future__ import annotations

from pathlib import Path

from equigrasp.policy.replays.diffusion_policy_files import read_diffusion_policy
from equigrasp.policy.replays.lerobot_files import read_lerobot
from equigrasp.policy.replays.replay import Replay, ReplayError

ZARR, LEROBOT = "pusht.zarr", "lerobot"
"""Names of the two layouts in a folder that `data_gen/pusht.py` made."""


def read_replay(path: Path, *, images: bool, episodes: int | None = None) -> Replay:
    """Episodes of a Zarr of Diffusion Policy, zipped or not, of a data set of LeRobot, or of a
    folder that `data_gen/pusht.py` made.

    Args:
        path: of it.
        images: whether pictures are wanted.
        episodes: the first so many; None for all.

    Raises:
        FileNotFoundError: there is nothing.
        ReplayError: torn, foreign, or without pictures though they are wanted; or fewer than one
            episode is asked for.
    """
    if episodes is not None and episodes < 1:
        raise ReplayError(f"episodes is {episodes}; give at least 1, or null for all")
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}")
    if (path / "meta" / "info.json").is_file():
        return read_lerobot(path, images=images, episodes=episodes)
    own = path / ZARR
    return read_diffusion_policy(own if own.is_dir() else path, images=images, episodes=episodes)
