"""What planners from elsewhere are given, and how their answers become our grasps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equigrasp.grasp import CONVENTIONS, Grasp
from equigrasp.hand import Hand
from equigrasp.perception.camera import Intrinsics, depth_to_points, pixel_rays, valid_pixels
from equigrasp.perception.rectify import table_rectify
from equigrasp.plan_result import PlanResult
from equigrasp.workspace import Workspace
from sim.clutter.scene_view import SceneView

FRAMES = ("world", "camera")
ABOVE_TABLE = 0.006
"""Readings so far (m) above the table belong to things."""


@dataclass(frozen=True)
class PlannerView:
    """One look at the table, for a planner that knows nothing of this project.

    Attributes:
        depth: (H, W) float32, metres along the optical axis; 0 where there is no reading.
        intrinsics: `fx`, `fy`, `cx`, `cy` in pixels; `intrinsics.K` is the (3, 3) matrix.
        T_world_camera: (4, 4) pose of the camera, z forward, y down.
        cloud: (n, 3) float32 points on things, metres, in the world (the workspace frame).
        mask: (H, W) bool, the pixels of `cloud`, in row-major order: things above the table.
        hand: that will grasp.
        workspace: cube in which grasps lie, with `side` and `table_height`; origin at its corner.
        rng: for planners that draw; equal views come with equal generators.
        more: (depth, `T_world_camera`) of further views, where the evaluation has any.
    """

    depth: NDArray[np.float32]
    intrinsics: Intrinsics
    T_world_camera: NDArray[np.float64]
    cloud: NDArray[np.float32]
    mask: NDArray[np.bool_]
    hand: Hand
    workspace: Workspace
    rng: np.random.Generator
    more: tuple[tuple[NDArray[np.float32], NDArray[np.float64]], ...] = ()

    @classmethod
    def of(cls, seen: SceneView, hand: Hand, rectify: bool) -> PlannerView:
        """From what a planner under test sees.

        Args:
            seen: the view.
            hand: that will grasp.
            rectify: undo the depth's global factor with the visible table first, as our own
                planners do.
        """
        workspace = seen.world.workspace
        images = [(seen.depth, seen.T_world_camera), *seen.more]
        if rectify:
            images = [
                (table_rectify(depth, seen.intrinsics, T, workspace)[0], T) for depth, T in images
            ]
        (depth, T), *more = [(np.asarray(d, np.float32), np.asarray(T, float)) for d, T in images]
        mask = things(depth, seen.intrinsics, T, workspace)
        cloud = depth_to_points(np.where(mask, depth, 0.0), seen.intrinsics, T)
        return cls(
            depth,
            seen.intrinsics,
            T,
            cloud.astype(np.float32),
            mask,
            hand,
            workspace,
            seen.rng,
            tuple(more),
        )


def things(
    depth: NDArray[np.floating],
    intrinsics: Intrinsics,
    T_world_camera: NDArray,
    workspace: Workspace,
) -> NDArray[np.bool_]:
    """(H, W) pixels that see something in the cube above its table."""
    T = np.asarray(T_world_camera, float)
    seen = valid_pixels(depth)
    points = (pixel_rays(intrinsics) * np.where(seen, depth, 0.0)[..., None]) @ T[:3, :3].T + T[
        :3, 3
    ]
    low = np.array([0.0, 0.0, workspace.table_height + ABOVE_TABLE])
    return seen & ((points > low) & (points < workspace.side)).all(-1)


@dataclass(frozen=True)
class Offer:
    """Grasps as a planner from elsewhere tells them.

    Attributes:
        poses: (n, 4, 4) in the convention and frame that the planner names.
        widths: (n,) openings, metres.
        scores: (n,); the best grasp has the largest.
        depths: (n,) metres that the origins lie further behind the finger tips than the convention
            says, for those whose grasps tell it one by one ("graspnet"); zeros if not given.

    Raises:
        ValueError: shapes do not fit together, or numbers are not finite.
    """

    poses: NDArray[np.float64]
    widths: NDArray[np.float64]
    scores: NDArray[np.float64]
    depths: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        poses = np.asarray(self.poses, np.float64)
        count = len(poses) if poses.ndim else 0
        poses = poses.reshape(0, 4, 4) if not count else poses
        if poses.shape != (count, 4, 4):
            raise ValueError(f"poses have shape {poses.shape}; give (n, 4, 4)")
        object.__setattr__(self, "poses", poses)
        for name in ("widths", "scores", "depths"):
            given = getattr(self, name)
            values = np.zeros(count) if given is None else np.asarray(given, np.float64)
            if values.shape != (count,):
                raise ValueError(
                    f"{name} have shape {values.shape} with {count} poses; give ({count},)"
                )
            object.__setattr__(self, name, values)
        for name in ("poses", "widths", "scores", "depths"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name} hold NaN or infinity; leave such grasps out")


def check_names(convention: str, frame: str) -> None:
    """Refuse a convention or frame that nobody knows.

    Raises:
        ValueError: naming what is known.
    """
    for name, value, known in (
        ("convention", convention, sorted(CONVENTIONS)),
        ("frame", frame, FRAMES),
    ):
        if value not in known:
            raise ValueError(f"{name} is {value!r}; choose one of {', '.join(known)}")


def plan_of(
    offer: Offer, view: PlannerView, convention: str, frame: str, seconds: float
) -> PlanResult:
    """Grasps of an offer that the hand can make in the cube, best first, as a plan.

    Args:
        offer: what a planner offers.
        view: that it was asked about.
        convention: a name in `equigrasp.grasp.CONVENTIONS`.
        frame: "world" or "camera".
        seconds: that planning took.

    Raises:
        ValueError: unknown names, or a pose that is none.
    """
    check_names(convention, frame)
    hand, side = view.hand, view.workspace.side
    T_world_frame = view.T_world_camera if frame == "camera" else np.eye(4)
    grasps, dropped = [], {"width": 0, "workspace": 0}
    rows = zip(offer.poses, offer.widths, offer.scores, offer.depths, strict=True)
    for T, width, score, depth in rows:
        if not 0.0 < width <= hand.opening + 1e-9:
            dropped["width"] += 1
            continue
        grasp = Grasp.from_convention(
            T_world_frame @ T, float(width), convention, float(score), hand=hand, depth=float(depth)
        )
        if not ((grasp.position > 0) & (grasp.position < side)).all():
            dropped["workspace"] += 1
        else:
            grasps.append(grasp)
    grasps.sort(key=lambda grasp: -grasp.score)
    return PlanResult(
        grasps,
        "ok" if grasps else "no_grasp",
        {"total": seconds},
        np.zeros((0, 0, 0), np.float32),
        hand=hand,
        workspace=view.workspace,
        dropped={name: count for name, count in dropped.items() if count},
    )


def offered(answer: Any) -> Offer:
    """What a planner of one's own returned, as an offer.

    Raises:
        ValueError: it is neither an `Offer` nor three or four arrays.
    """
    if isinstance(answer, Offer):
        return answer
    if not isinstance(answer, (tuple, list)) or len(answer) not in (3, 4):
        raise ValueError(
            f"plan() returned {type(answer).__name__}; return poses (n, 4, 4), widths (n,) and "
            "scores (n,)"
        )
    return Offer(*answer)
