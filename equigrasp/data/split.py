"""Which scenes of a data set train a model and which validate it: split by scene, not by grasp."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from equigrasp.home import typed

SPLITS = ("train", "val", "all")


class DataSetError(RuntimeError):
    """A data set is missing, empty or torn; the message names it and the remedy."""


def list_scenes(directory: str | Path) -> list[Path]:
    """Scene files of a data set, sorted by name.

    Raises:
        DataSetError: if the folder or its scenes are missing.
    """
    directory = Path(directory)
    remedy = (
        f"make it with `{typed('data_gen/pile.py')} --out {directory}` (or packed), "
        "or point data.dirs at an existing data set"
    )
    if not directory.is_dir():
        raise DataSetError(f"data set {directory} does not exist; {remedy}")
    paths = sorted((directory / "scenes").glob("*.npz"))
    if not paths:
        raise DataSetError(f"data set {directory} has no files scenes/*.npz; {remedy}")
    return paths


def split_scenes(paths: Sequence[Path], split: str, val_fraction: float = 0.1) -> list[Path]:
    """Scenes of one side of the split; a scene's side depends on its file name alone.

    Args:
        paths: scene files of one data set.
        split: "train", "val" or "all".
        val_fraction: expected share of validation scenes.

    Raises:
        ValueError: if the split is unknown.
    """
    chosen = on_side([path.name for path in paths], split, val_fraction)
    return [path for path, kept in zip(paths, chosen, strict=True) if kept]


def on_side(names: Sequence[str], split: str, val_fraction: float = 0.1) -> list[bool]:
    """Whether each of some names belongs to one side of the split; a name alone decides.

    Adding names never moves one from one side to the other. Only where a small set would have
    nothing to validate with, the name with the smallest hash is taken.

    Args:
        names: different ones.
        split: "train", "val" or "all".
        val_fraction: expected share of validation.

    Raises:
        ValueError: if the split is unknown.
    """
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; choose one of {', '.join(SPLITS)}")
    if split == "all":
        return [True] * len(names)
    hashes = [_unit_hash(name) for name in names]
    limit = max(val_fraction, min(hashes, default=0) * (1 + 1e-12)) if val_fraction > 0 else 0.0
    return [(value < limit) == (split == "val") for value in hashes]


def _unit_hash(text: str) -> float:
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
