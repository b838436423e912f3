"""Scenes of one or several data sets as training items.

Items are a pure function of (seed, epoch, scene): no worker, no order and no restart changes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from equigrasp.data.items import SampleSettings, make_item
from equigrasp.data.manifest import MadeFor, provenance, read_made_for, read_simulator
from equigrasp.data.scene_files import (
    SceneFileError,
    SceneRecord,
    decode_depth,
    encode_depth,
    read_scene,
)
from equigrasp.data.split import DataSetError, list_scenes, split_scenes
from equigrasp.hand import require_same_hand
from equigrasp.options import check_list
from equigrasp.workspace import require_same_cube


class GraspSceneDataset:
    """Items of one or several data-set folders; index with `(epoch, scene)` or a scene number.

    Args:
        dirs: folders holding `scenes/*.npz`.
        split: "train", "val" or "all"; scenes are split, never grasps.
        settings: how items are drawn.
        seed: seed of all draws.
        val_fraction: share of validation scenes.
        max_scenes: keep only the first so many scenes of the split (for quick looks).
        cache_bytes: decoded scenes are kept in memory up to this size.
        visits: items that an epoch draws from each scene.

    Attributes:
        made_for: hand and workspace of the scenes.

    Raises:
        DataSetError: if a folder is missing or empty, or the split has no scene.
        ValueError: if the folders are made for different hands or workspaces, a manifest is torn,
            or `dirs` is no list.
    """

    def __init__(
        self,
        dirs: Sequence[str | Path],
        split: str = "train",
        settings: SampleSettings | None = None,
        *,
        seed: int = 0,
        val_fraction: float = 0.1,
        max_scenes: int | None = None,
        cache_bytes: int = 0,
        visits: int = 1,
    ) -> None:
        if visits < 1:
            raise ValueError(f"visits is {visits}; an epoch draws from each scene at least once")
        self.settings = settings or SampleSettings()
        self.seed, self.visits = seed, visits
        self.dirs = [Path(directory) for directory in check_list(dirs, "dirs")]
        self.paths = [
            path
            for directory in self.dirs
            for path in split_scenes(list_scenes(directory), split, val_fraction)
        ][:max_scenes]
        if not self.paths:
            raise DataSetError(
                f"the {split} split of {', '.join(map(str, self.dirs)) or 'no folder'} is empty; "
                "generate more scenes or change data.val_fraction"
            )
        self.made_for = _common_purpose(self.dirs)
        self._cache: dict[int, SceneRecord] = {}
        self._cache_room = cache_bytes

    def __len__(self) -> int:
        return len(self.paths) * self.visits

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Tensor]:
        epoch, index = (0, key) if isinstance(key, int) else key
        rng = np.random.default_rng([self.seed, epoch, index])
        return make_item(self.record(index % len(self.paths)), self.settings, rng, self.made_for)

    def record(self, index: int) -> SceneRecord:
        """The scene behind an index.

        Raises:
            DataSetError: if its file is gone or torn.
        """
        stored = self._cache.get(index)
        if stored is not None:
            return replace(stored, depth=decode_depth(stored.depth))
        record = _read(self.paths[index])
        # Kept as in the file, in 16 bits: half the memory, the same values.
        steps = encode_depth(record.depth)
        size = steps.nbytes + record.occ_points.nbytes + record.occ.nbytes
        if size <= self._cache_room:
            self._cache_room -= size
            self._cache[index] = replace(record, depth=steps)
        return record

    def sources(self) -> list[dict[str, Any]]:
        """Name, number of scenes used, and provenance of every folder, for model cards."""
        return [
            {
                "name": directory.name,
                "scenes": sum(path.parent.parent == directory for path in self.paths),
                **provenance(directory),
            }
            for directory in self.dirs
        ]

    def fingerprint(self) -> str:
        """Hash of the scene names in order: equal for equal splits of equal data sets."""
        names = "\n".join(f"{path.parent.parent.name}/{path.name}" for path in self.paths)
        return hashlib.sha256(names.encode()).hexdigest()[:16]


def _common_purpose(directories: Sequence[Path]) -> MadeFor:
    """What all folders are made for; they are refused if that is not the same."""
    first, *others = [(directory, read_made_for(directory)) for directory in directories]
    for directory, other in others:
        require_same_hand(first[1].hand, str(first[0]), other.hand, str(directory))
        require_same_cube(first[1].workspace, str(first[0]), other.workspace, str(directory))
        _require_same_simulator(first[0], directory)
    return first[1]


def _require_same_simulator(first: Path, second: Path) -> None:
    """Labels of two simulators do not mix: a grasp that holds in one may slip in the other."""
    one, other = read_simulator(first), read_simulator(second)
    if one != other:
        raise ValueError(
            f"{first} was simulated with {one}, {second} with {other}; train on data of one "
            "simulator"
        )


def _read(path: Path) -> SceneRecord:
    try:
        return read_scene(path)
    except SceneFileError as error:
        folder = path.parent.parent
        raise DataSetError(
            f"{error}; `python -m equigrasp.data.verify {folder} --repair` names every fault and "
            "removes what is torn; its generator, run again, makes the scenes that are missing"
        ) from error
