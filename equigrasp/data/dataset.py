"""Training items from scene files: one view, noised and fused afresh, with labelled query points.

An item is a dict of float32 tensors (bool where said), N voxels, Q queries, P occupancy points:

    tsdf (N, N, N)               fused from one view after noise, encoded as the model wants it
    points (Q, 3)                normalised query points, `tip - query_setback * approach`
    label (Q,)                   1 where some yaw succeeded
    rotations (Q, 5, 3, 3)       rotation per yaw
    yaw_success (Q, 5) bool      which yaws succeeded
    widths (Q, 5)                opening per yaw, metres
    mask (Q,) bool               False for padding
    occ_points (P, 3), occ (P,)  normalised points and whether they lie inside an object

Items are a pure function of (seed, epoch, scene): no worker, no order and no restart changes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from equigrasp.constants import WORKSPACE_SIZE
from equigrasp.data.augment import random_symmetry
from equigrasp.data.manifest import provenance
from equigrasp.data.queries import balanced_choice, free_negatives
from equigrasp.data.scene_files import (
    SceneFileError,
    SceneRecord,
    decode_depth,
    encode_depth,
    read_scene,
)
from equigrasp.data.split import DataSetError, list_scenes, split_scenes
from equigrasp.data.vocabulary import YAWS_PER_POINT
from equigrasp.geometry.rotations import random_rotations
from equigrasp.geometry.transforms import yaw_turns
from equigrasp.perception.noise import NOISE_KINDS, apply_noise
from equigrasp.perception.table import table_rectify
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.workspace import Workspace

VIEWS = ("fixed", "random", "mixed")


@dataclass(frozen=True)
class SampleSettings:
    """How an item is drawn from a scene.

    Attributes:
        noise: depth noise, drawn afresh per item: "none", "gaussian" or "gamma".
        view: "fixed", "random" (one of the stored random views) or "mixed".
        fixed_probability: share of the fixed view where `view` is "mixed".
        rectify_probability: share of items whose depth is rectified with the table plane, as the
            planner does by default.
        queries: Q, query points per item.
        positive_share: largest share of successes among the simulated queries; None keeps the
            natural proportion (validation).
        free_share: share of queries that are known failures in free space or inside objects.
        occupancy_points: P.
        quarter_turns, mirrors: exact augmentations (see `data/augment.py`).
        resolution, encoding, query_setback: what the model wants (voxels, TSDF code, metres).
    """

    noise: str = "gamma"
    view: str = "fixed"
    fixed_probability: float = 0.5
    rectify_probability: float = 0.75
    queries: int = 64
    positive_share: float | None = 0.5
    free_share: float = 0.1
    occupancy_points: int = 512
    quarter_turns: bool = False
    mirrors: bool = False
    resolution: int = 40
    encoding: str = "full"
    query_setback: float = 0.05

    def __post_init__(self) -> None:
        if self.view not in VIEWS:
            raise ValueError(f"view is {self.view!r}; choose one of {', '.join(VIEWS)}")
        if self.noise not in (*NOISE_KINDS, "dex", "norm"):
            raise ValueError(f"noise is {self.noise!r}; choose one of {', '.join(NOISE_KINDS)}")
        for name in ("fixed_probability", "rectify_probability", "positive_share", "free_share"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}; it is a share and must lie in [0, 1]")
        for name in ("queries", "occupancy_points"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")


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

    Raises:
        DataSetError: if a folder is missing or empty, or the split has no scene.
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
    ) -> None:
        self.settings = settings or SampleSettings()
        self.seed = seed
        self.dirs = [Path(directory) for directory in dirs]
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
        self._cache: dict[int, SceneRecord] = {}
        self._cache_room = cache_bytes

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Tensor]:
        epoch, index = (0, key) if isinstance(key, int) else key
        rng = np.random.default_rng([self.seed, epoch, index])
        return make_item(self.record(index), self.settings, rng)

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


def make_item(
    record: SceneRecord, settings: SampleSettings, rng: np.random.Generator
) -> dict[str, Tensor]:
    """Draw one training item from a scene (module docstring for keys and shapes)."""
    view = choose_view(record.view_names, settings, rng)
    item = {"tsdf": _fused(record, view, settings, rng)}
    item.update(_query_tensors(record, settings, rng))
    chosen = rng.integers(len(record.occ_points), size=settings.occupancy_points)
    item["occ_points"] = _normalised(record.occ_points[chosen])
    item["occ"] = torch.from_numpy(record.occ[chosen].astype(np.float32))
    return random_symmetry(
        item, rng, quarter_turns=settings.quarter_turns, mirrors=settings.mirrors
    )


def choose_view(names: Sequence[str], settings: SampleSettings, rng: np.random.Generator) -> int:
    """Index of the view an item is made from.

    Raises:
        DataSetError: if the scene lacks the wanted kind of view.
    """
    fixed = [i for i, name in enumerate(names) if name == "fixed"]
    others = [i for i, name in enumerate(names) if name != "fixed"]
    wanted = settings.view
    if wanted == "mixed":
        wanted = "fixed" if rng.random() < settings.fixed_probability else "random"
    pool = fixed if wanted == "fixed" else others
    if not pool:
        raise DataSetError(
            f"a {wanted} view is wanted, but the scene has only the views {list(names)}; generate "
            "the data set with that view or change data.view"
        )
    return pool[int(rng.integers(len(pool)))]


def _fused(
    record: SceneRecord, view: int, settings: SampleSettings, rng: np.random.Generator
) -> Tensor:
    pose = record.T_world_camera[view]
    depth = apply_noise(record.depth[view], settings.noise, rng)
    if rng.random() < settings.rectify_probability:
        depth, _ = table_rectify(depth, record.intrinsics, pose)
    return fuse_tsdf(
        torch.from_numpy(depth),
        record.intrinsics,
        pose,
        workspace=Workspace(resolution=settings.resolution),
        encoding=settings.encoding,
    )


def _query_tensors(
    record: SceneRecord, settings: SampleSettings, rng: np.random.Generator
) -> dict[str, Tensor]:
    total = settings.queries
    success = record.yaw_success
    if settings.positive_share is None:
        chosen = rng.permutation(len(success))[:total]
        free = np.zeros((0, 3), np.float32)
    else:
        free_count = round(settings.free_share * total)
        inside = record.occ_points[record.occ].astype(np.float32)
        free = free_negatives(inside, free_count, settings.query_setback, rng)
        room = total - len(free)
        chosen = balanced_choice(success.any(1), room, settings.positive_share, rng)
    known, used = len(chosen), len(chosen) + len(free)

    base = record.grasp_rotation[chosen]
    points = np.zeros((total, 3), np.float32)
    points[:known] = record.grasp_position[chosen] - settings.query_setback * base[:, :, 2]
    points[known:used] = free
    rotations = np.broadcast_to(np.eye(3, dtype=np.float32), (total, YAWS_PER_POINT, 3, 3)).copy()
    rotations[:known] = base[:, None] @ yaw_turns(YAWS_PER_POINT)
    rotations[known:used] = _any_rotations(len(free), rng)  # no rotation succeeds there
    yaw_success = np.zeros((total, YAWS_PER_POINT), bool)
    yaw_success[:known] = success[chosen]
    widths = np.zeros((total, YAWS_PER_POINT), np.float32)
    widths[:known] = record.yaw_width[chosen]
    return {
        "points": _normalised(points),
        "label": torch.from_numpy(yaw_success.any(1).astype(np.float32)),
        "rotations": torch.from_numpy(rotations),
        "yaw_success": torch.from_numpy(yaw_success),
        "widths": torch.from_numpy(widths),
        "mask": torch.arange(total) < used,
    }


def _any_rotations(count: int, rng: np.random.Generator) -> np.ndarray:
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    return random_rotations((count, YAWS_PER_POINT), generator=generator).numpy()


def _normalised(points: np.ndarray) -> Tensor:
    return torch.from_numpy(points.astype(np.float32) / WORKSPACE_SIZE - 0.5)


def _read(path: Path) -> SceneRecord:
    try:
        return read_scene(path)
    except SceneFileError as error:
        folder = path.parent.parent
        raise DataSetError(
            f"{error}; to see every fault of the data set: `python -m equigrasp.data.verify "
            f"{folder}`; its generator, run again, makes the scenes that are missing"
        ) from error
