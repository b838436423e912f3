"""Plans for scenes larger than a model's cube, and for cameras whose pose nobody measured.

The table is found in the depth images, the things on it are covered by overlapping cubes, every
cube is planned by itself, and of each the grasps count whose tips are nearest to its middle.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.budget import LIMITS
from equigrasp.geometry.transforms import (
    Matrix,
    check_rigid,
    inverse_transform,
    make_transform,
    transform_points,
)
from equigrasp.grasp import UP, Grasp
from equigrasp.hand import PANDA, Hand
from equigrasp.measures import joined
from equigrasp.options import check_option
from equigrasp.perception.camera import Intrinsics, depth_to_points
from equigrasp.perception.plane import NoTable, TablePlane, find_table
from equigrasp.plan_result import MeasuredList, Measures, PlanResult
from equigrasp.planner import GraspPlanner
from equigrasp.views import Views, check_views, hardly_any_reading, in_metres

THING = 0.012
"""What is higher (m) over the table than this is a thing on it."""
FEWEST = 30
"""Fewer readings than this are no thing."""
OVERLAP = 0.10
"""Cubes overlap by this much (m) inside their borders, so that things lie in one whole."""
MOST_CUBES = 64
"""More are not planned; a region says what matters."""
FURTHEST = 2.0
"""Readings further from the camera (m) are background."""


@dataclass(frozen=True)
class CubePlan:
    """What was planned in one cube.

    Attributes:
        T_world_workspace: (4, 4) pose of the cube in the frame of the cameras' poses.
        result: its plan; grasps in that frame.
    """

    T_world_workspace: Matrix
    result: PlanResult


@dataclass(frozen=True)
class AnywherePlan(MeasuredList):
    """Outcome of `plan_anywhere`.

    Attributes:
        grasps: best first, in the frame of the cameras' poses; the camera's own where none was
            given.
        reason: a key of `equigrasp.plan_result.REASONS`, or "no_table".
        table: the plane that was taken for the table; None if there was none.
        cubes: what was planned, cube by cube.
        assumed: sentences on what was assumed, to be shown to a person.
        seconds: that it took.
        detail: what to know about the reason; else empty.
        hollow: a key of `equigrasp.plan_result.HOLLOW`, where that is the case of every cube.
        measures: of all cubes; see `clearances`, `under`, `clusters`. What several cubes show of a
            thing is one.
        up: (3,) normal of the table.
        hand: that the grasps are for.
    """

    grasps: list[Grasp]
    reason: str
    table: TablePlane | None = None
    cubes: tuple[CubePlan, ...] = field(default=(), repr=False)
    assumed: tuple[str, ...] = ()
    seconds: float = 0.0
    detail: str = ""
    hollow: str = ""
    measures: Measures | None = field(default=None, repr=False)
    up: tuple[float, float, float] = UP
    hand: Hand = field(default=PANDA, repr=False)

    @property
    def dropped(self) -> dict[str, int]:
        """Hands that were not listed, by reason, of all cubes; see `PlanResult.dropped`."""
        return dict(sum((Counter(cube.result.dropped) for cube in self.cubes), Counter()))

    @property
    def shortened(self) -> dict[str, str]:
        """What was left out for want of time, of all cubes; see `PlanResult.shortened`."""
        return {name: text for c in self.cubes for name, text in c.result.shortened.items()}

    def facts(self) -> dict[str, Any]:
        """What is known beyond the grasps: see `GraspList.facts`."""
        names = ("reason", "hollow", "detail", "dropped", "shortened", "assumed", "seconds")
        return {**super().facts(), **{name: getattr(self, name) for name in names}}


def plan_anywhere(
    planner: GraspPlanner,
    depth: ArrayLike | Sequence[ArrayLike],
    intrinsics: Intrinsics | Sequence[Intrinsics],
    T_world_camera: ArrayLike | None = None,
    *,
    up: ArrayLike | None = None,
    region: ArrayLike | None = None,
    max_grasps: int | None = None,
    seed: int = 0,
    time_budget: float | None = None,
    **asked: Any,
) -> AnywherePlan:
    """Grasps on a table of any size, wherever it is, from cameras with or without known poses.

    Args:
        planner: plans each cube; it knows its table height.
        depth, intrinsics: as for `GraspPlanner.plan`.
        T_world_camera: (4, 4) or (V, 4, 4) camera poses in a frame of the user's; None for one
            camera whose own frame that is.
        up: direction (3,) of up in that frame, where it is known; planes that are not level are
            then no table.
        region: lower and upper corner, (2, 3) metres, of the box in the frame of the table
            (`TablePlane.T_world_table`) in which things are looked for; None for everywhere.
        max_grasps: length of the list.
        seed: of the search for the table.
        time_budget: seconds, shared by the cubes evenly; see `GraspPlanner.plan`.
        asked: `mask`, `wanted`, `avoid` of `GraspPlanner.plan`.

    Raises:
        ValueError: as for `GraspPlanner.plan`; several images without poses; a planner that does
            not know its table's height; things spread over more than `MOST_CUBES` cubes.
    """
    begin = time.perf_counter()
    check_option("time_budget", time_budget, "float | None", LIMITS)
    if planner.table_height is None:
        raise ValueError("this planner knows no table height; make it with the model's own")
    poses = np.eye(4) if T_world_camera is None else T_world_camera
    views = check_views(in_metres(depth, planner.depth_scale), intrinsics, poses)
    if hardly_any_reading(views.images):
        return AnywherePlan([], "empty_depth", hollow="nothing_seen")
    points = _readings(views)
    try:
        table = find_table(points, views.poses[0], up=up, seed=seed)
    except NoTable as reason:
        return AnywherePlan([], "no_table", detail=str(reason))
    assumed = _assumptions(table, T_world_camera is None)
    things = _things(points, table, planner.workspace.side, region)
    if len(things) < FEWEST:
        told = f"{len(things)} readings lie more than {THING * 1000:g} mm over the table"
        return AnywherePlan([], "empty_workspace", table, (), assumed, 0.0, told, "table_only")
    places = cube_places(things, planner.workspace.side - 2 * planner.detection.border)
    if time_budget is not None:
        left = time_budget - (time.perf_counter() - begin)
        asked["time_budget"] = max(left / len(places), LIMITS["time_budget"][0])
    cubes = tuple(_planned(planner, views, table.T_world_table, place, asked) for place in places)
    chosen = _nearest(cubes, planner.workspace.side)[:max_grasps]
    found = [cubes[number].result[place] for number, place in chosen]
    results = [cube.result for cube in cubes]
    reasons = [result.reason for result in results]
    reason = next((r for r in ("ok", "forced", "no_grasp") if r in reasons), reasons[0])
    if reason in ("ok", "forced") and not found:
        reason = "no_grasp"
    details = "; ".join(dict.fromkeys(each.detail for each in results if each.detail))
    cases = {each.hollow for each in results}
    hollow = cases.pop() if len(cases) == 1 and not found else ""
    up = tuple(table.T_world_table[:3, 2].tolist())
    told = found, reason, table, cubes, assumed, time.perf_counter() - begin, details, hollow
    measures = _measured(cubes, chosen, table, planner.workspace.voxel)
    return AnywherePlan(*told, measures, up, planner.hand)


def cube_places(things: ArrayLike, side: float) -> NDArray[np.float64]:
    """Middles (C, 2) of squares that cover things on a table, metres.

    Squares stand evenly spread over the box around the things and overlap by at least `OVERLAP`;
    those without a thing are left out. What fits into one square gets one, around its middle.

    Args:
        things: (N, 2) or (N, 3) points, metres; x and y count.
        side: of a square, metres.

    Raises:
        ValueError: more than `MOST_CUBES` squares are needed.
    """
    flat = np.asarray(things, dtype=np.float64)[:, :2]
    low, high = flat.min(0), flat.max(0)
    step = max(side - OVERLAP, side / 2)
    counts = np.maximum(1, np.ceil((high - low - side) / step - 1e-9).astype(int) + 1)
    axes = []
    for start, end, count in zip(low, high, counts, strict=True):
        half = min(side, end - start) / 2
        axes.append(
            np.linspace(start + half, end - half, count) if count > 1 else [(start + end) / 2]
        )
    middles = np.array(list(itertools.product(*axes)))
    held = [(np.abs(flat - middle).max(1) <= side / 2).sum() >= FEWEST for middle in middles]
    if sum(held) > MOST_CUBES:
        width, length = (high - low).tolist()
        raise ValueError(
            f"the things are spread over {width:.2f} x {length:.2f} m, which takes {sum(held)} "
            f"cubes; the limit is {MOST_CUBES}: give a region"
        )
    return middles[np.array(held)]


def _readings(views: Views) -> NDArray[np.float64]:
    """Points (N, 3) nearer than `FURTHEST` in the frame of the poses."""
    each = zip(*views, strict=True)
    return np.concatenate([depth_to_points(*view, max_depth=FURTHEST) for view in each])


def _things(
    points: NDArray[np.float64], table: TablePlane, side: float, region: ArrayLike | None
) -> NDArray[np.float64]:
    """Points (N, 3) over the table, in its frame, without those that stand alone."""
    placed = transform_points(inverse_transform(table.T_world_table), points)
    held = (placed[:, 2] > THING) & (placed[:, 2] < side)
    if region is not None:
        low, high = np.asarray(region, dtype=np.float64).reshape(2, 3)
        held &= ((placed >= low) & (placed <= high)).all(1)
    placed = placed[held]
    # Cells of 2 cm with a single reading are noise: flying pixels would stretch the cover.
    cells, which, count = np.unique(
        np.floor(placed[:, :2] / 0.02).astype(int), axis=0, return_inverse=True, return_counts=True
    )
    return placed[count[which.reshape(-1)] >= 5] if len(cells) else placed


def _planned(
    planner: GraspPlanner,
    views: Views,
    T_world_table: Matrix,
    place: NDArray[np.float64],
    asked: dict[str, Any],
) -> CubePlan:
    """The plan of the cube whose middle is at a place (2,) on the table."""
    half = planner.workspace.side / 2
    T_table_workspace = make_transform(
        np.eye(3), (place[0] - half, place[1] - half, -planner.table_height)
    )
    T = T_world_table @ T_table_workspace
    result = planner.plan(
        views.images,
        views.cameras,
        views.poses,
        T_workspace_world=check_rigid(inverse_transform(T), "T_workspace_world"),
        **asked,
    )
    return CubePlan(T, result)


def _nearest(cubes: Sequence[CubePlan], side: float) -> list[tuple[int, int]]:
    """Grasps whose own cube is the one with the nearest middle, best first: number of the cube, and
    of the grasp in its plan."""
    middles = np.array(
        [
            cube.T_world_workspace[:3, :3] @ (side / 2, side / 2, 0) + cube.T_world_workspace[:3, 3]
            for cube in cubes
        ]
    )
    found = []
    for number, cube in enumerate(cubes):
        for place, grasp in enumerate(cube.result):
            away = np.linalg.norm(middles - grasp.position, axis=1)
            if away[number] <= away.min() + 1e-9:
                found.append((-grasp.score, number, place))
    return [(number, place) for _, number, place in sorted(found)]


def _measured(
    cubes: Sequence[CubePlan], chosen: Sequence[tuple[int, int]], table: TablePlane, voxel: float
) -> Measures:
    """Measures of the chosen grasps, things of overlapping cubes joined."""
    plans = [cube.result.measures or Measures.unknown(len(cube.result)) for cube in cubes]
    return joined(plans, chosen, inverse_transform(table.T_world_table), voxel)


def _assumptions(table: TablePlane, own_frame: bool) -> tuple[str, ...]:
    """What a person should know."""
    T = table.T_world_table
    told = [
        f"the plane with {table.share:.0%} of the readings is the table "
        f"(off by {table.residual * 1000:.1f} mm rms)",
        "up is its normal, on the side of the camera",
    ]
    if own_frame:
        told.append(
            f"grasps are in the camera's frame; the table is {np.linalg.norm(T[:3, 3]):.2f} m away"
        )
    return tuple(told)
