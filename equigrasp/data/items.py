"""One training item from one scene: a view, noised and fused afresh, with labelled query points.

Keys and shapes stand in `equigrasp.data.batch_keys`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from equigrasp.data import batch_keys as keys
from equigrasp.data.augment import random_symmetry
from equigrasp.data.empty_tables import asked_points, empty_table, hole_points
from equigrasp.data.manifest import PUBLISHED, MadeFor
from equigrasp.data.queries import balanced_choice, free_negatives
from equigrasp.data.scene_files import SceneRecord
from equigrasp.data.split import DataSetError
from equigrasp.data.vocabulary import YAWS_PER_POINT
from equigrasp.geometry.rotations import random_rotations
from equigrasp.geometry.transforms import yaw_turns
from equigrasp.options import check_fields
from equigrasp.perception.camera import Intrinsics
from equigrasp.perception.noise import apply_noise, check_noise, pick_kind
from equigrasp.perception.rectify import table_rectify
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.workspace import Workspace

VIEWS = ("fixed", "random", "mixed")
TRAINING_NOISE = {"gamma": 0.6, "camera": 0.4}
"""The noise of the evaluations more often than not, and the holes of real cameras, which a network
that has never seen one takes for something to grasp."""


@dataclass(frozen=True)
class SampleSettings:
    """How an item is drawn from a scene.

    Attributes:
        noise: depth noise, drawn afresh per item: "none", "gaussian", "gamma" or "camera"; or
            several of them with the share of items that each gets, which add up to 1.
        view: "fixed", "random" (one of the stored random views) or "mixed".
        fixed_probability: share of the fixed view where `view` is "mixed".
        rectify_probability: share of items whose depth is rectified with the table plane, as the
            planner does by default.
        queries: Q, query points per item.
        positive_share: largest share of successes among the simulated queries; None keeps the
            natural proportion (validation).
        empty_share: share of items that show a bare table, or one with things of a few millimetres,
            to the scene's camera; all their queries are failures, around table and holes.
        free_share: share of queries that are known failures in free space or inside objects.
        occupancy_points: P.
        quarter_turns, mirrors: exact augmentations (see `data/augment.py`).
        resolution, encoding, query_setback: what the model wants (voxels, TSDF code, metres).
    """

    noise: str | Mapping[str, float] = field(default_factory=lambda: dict(TRAINING_NOISE))
    view: str = "mixed"
    fixed_probability: float = 0.5
    rectify_probability: float = 0.75
    queries: int = 64
    positive_share: float | None = 0.5
    empty_share: float = 0.05
    free_share: float = 0.1
    occupancy_points: int = 512
    quarter_turns: bool = False
    mirrors: bool = True
    resolution: int = 40
    encoding: str = "full"
    query_setback: float = 0.05

    def __post_init__(self) -> None:
        check_fields(self, {"query_setback": (-0.1, 0.1)})
        if self.view not in VIEWS:
            raise ValueError(f"view is {self.view!r}; choose one of {', '.join(VIEWS)}")
        check_noise(self.noise)
        for name in (
            "fixed_probability",
            "rectify_probability",
            "positive_share",
            "empty_share",
            "free_share",
        ):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}; it is a share and must lie in [0, 1]")
        for name in ("queries", "occupancy_points"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")


def make_item(
    record: SceneRecord,
    settings: SampleSettings,
    rng: np.random.Generator,
    made_for: MadeFor = PUBLISHED,
) -> dict[str, Tensor]:
    """Draw one training item from a scene (module docstring for keys and shapes).

    Args:
        record: the scene.
        settings: how it is drawn.
        rng: source of all draws.
        made_for: hand and workspace of the scene.
    """
    workspace = made_for.workspace
    view = choose_view(record.view_names, settings, rng)
    camera = record.intrinsics, record.T_world_camera[view]
    empty = settings.empty_share > 0 and rng.random() < settings.empty_share
    clean = empty_table(*camera, rng, workspace) if empty else record.depth[view]
    noisy = apply_noise(clean, pick_kind(settings.noise, rng), rng)
    tsdf = _fused(noisy, camera, settings, rng, workspace)
    if empty:
        holes = hole_points(clean, noisy, *camera)
        free = asked_points(tsdf, holes, settings.queries, rng, workspace)
        chosen = np.zeros(0, np.intp)
    else:
        chosen, free = _chosen_queries(record, settings, rng, made_for)
    item = {keys.TSDF: tsdf, **_query_tensors(record, chosen, free, settings, rng, workspace.side)}
    places = rng.integers(len(record.occ_points), size=settings.occupancy_points)
    item[keys.OCC_POINTS] = _normalised(record.occ_points[places], workspace.side)
    inside = np.zeros(len(places), bool) if empty else record.occ[places]
    item[keys.OCC] = torch.from_numpy(inside.astype(np.float32))
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
    depth: np.ndarray,
    camera: tuple[Intrinsics, np.ndarray],
    settings: SampleSettings,
    rng: np.random.Generator,
    workspace: Workspace,
) -> Tensor:
    """Volume of one noised image, rectified now and then; `camera` is intrinsics and pose."""
    if rng.random() < settings.rectify_probability:
        depth, _ = table_rectify(depth, *camera, workspace)
    return fuse_tsdf(
        torch.from_numpy(depth),
        *camera,
        workspace=replace(workspace, resolution=settings.resolution),
        encoding=settings.encoding,
    )


def _chosen_queries(
    record: SceneRecord, settings: SampleSettings, rng: np.random.Generator, made_for: MadeFor
) -> tuple[np.ndarray, np.ndarray]:
    """Indices (n,) of simulated grasps, and points (m, 3) of known failures, in metres."""
    total, success = settings.queries, record.yaw_success
    if settings.positive_share is None:
        return rng.permutation(len(success))[:total], np.zeros((0, 3), np.float32)
    free_count = round(settings.free_share * total)
    inside = record.occ_points[record.occ].astype(np.float32)
    free = free_negatives(
        inside, free_count, settings.query_setback, rng, made_for.hand, made_for.workspace
    )
    room = total - len(free)
    return balanced_choice(success.any(1), room, settings.positive_share, rng), free


def _query_tensors(
    record: SceneRecord,
    chosen: np.ndarray,
    free: np.ndarray,
    settings: SampleSettings,
    rng: np.random.Generator,
    side: float,
) -> dict[str, Tensor]:
    """Tensors of chosen grasps (n,) of a scene, of failures at free points (m, 3), and padding."""
    total, success = settings.queries, record.yaw_success
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
    margin, widths = np.zeros((2, total, YAWS_PER_POINT), np.float32)
    margin[:known] = np.nan_to_num(record.yaw_margin[chosen], nan=1.0)
    widths[:known] = record.yaw_width[chosen]
    return {
        keys.POINTS: _normalised(points, side),
        keys.LABEL: torch.from_numpy(yaw_success.any(1).astype(np.float32)),
        keys.ROTATIONS: torch.from_numpy(rotations),
        keys.YAW_SUCCESS: torch.from_numpy(yaw_success),
        keys.YAW_MARGIN: torch.from_numpy(margin),
        keys.WIDTHS: torch.from_numpy(widths),
        keys.MASK: torch.arange(total) < used,
    }


def _any_rotations(count: int, rng: np.random.Generator) -> np.ndarray:
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    return random_rotations((count, YAWS_PER_POINT), generator=generator).numpy()


def _normalised(points: np.ndarray, side: float) -> Tensor:
    return torch.from_numpy(points.astype(np.float32) / side - 0.5)
