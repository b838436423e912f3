"""What a page or a file shows of one moment: cloud, volume, shape, feature planes, grasps.

A plan has one moment, a round of clearing clutter has one before each attempt and one at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import matplotlib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA, Box, Hand
from equigrasp.perception.camera import Intrinsics, depth_to_points
from equigrasp.plan_result import PlanResult
from equigrasp.scene_mesh import SceneMesh
from equigrasp.workspace import WORKSPACE, Workspace

FARTHEST = 1.5
"""Readings beyond this (m) are not shown."""
MOST_POINTS = 60_000
"""Of larger clouds every second, third, ... point is shown, for browsers without a GPU."""
HEIGHT_COLOURS = matplotlib.colormaps["viridis"]
HIGH, ABOVE = 0.15, 0.006
"""Heights (m) over the table at which colours end, and above which a point belongs to a thing."""
ENLARGED = 6
"""Pixels of a picture for one of a feature plane, along either side."""
_BOX_FACES = np.array(
    [
        *((0, 2, 1), (1, 2, 3), (4, 5, 6), (5, 7, 6), (0, 1, 4), (1, 5, 4)),
        *((2, 6, 3), (3, 6, 7), (0, 4, 2), (2, 4, 6), (1, 3, 5), (3, 7, 5)),
    ]
)[:, ::-1]
"""Triangles of a box whose corners count z fastest, seen counterclockwise from outside."""


@dataclass(frozen=True)
class Moment:
    """A scene as it is shown, all in one frame.

    Attributes:
        title: what stands above it; Markdown.
        points, colours: (N, 3) of the cloud, metres and whole numbers to 255.
        grasps: best first.
        tsdf: (N, N, N), of the workspace frame; empty where there is none.
        shape: as predicted; None where nothing was.
        planes: feature planes (C, H, W) by name.
        hand, workspace: of the grasps.
    """

    title: str
    points: NDArray[np.float32] = field(repr=False)
    colours: NDArray[np.uint8] = field(repr=False)
    grasps: Sequence[Grasp] = ()
    tsdf: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0, 0)), repr=False)
    shape: SceneMesh | None = None
    planes: Mapping[str, NDArray[np.floating]] = field(default_factory=dict, repr=False)
    hand: Hand = PANDA
    workspace: Workspace = WORKSPACE

    @classmethod
    def of_plan(
        cls,
        depth: NDArray[np.floating],
        intrinsics: Intrinsics,
        T_world_camera: ArrayLike,
        result: PlanResult,
        *,
        title: str = "",
        shape: SceneMesh | None = None,
        planes: Mapping[str, NDArray[np.floating]] | None = None,
    ) -> Moment:
        """A plan and the image that it was made from.

        Args:
            depth: (H, W) metres; where it was rectified, the rectified scene is shown.
            intrinsics, T_world_camera: its camera, in the frame of the grasps.
            result: the plan.
            title: Markdown; by default the reason and the number of grasps.
            shape: predicted, in the frame of the grasps.
            planes: feature planes (C, H, W) by name.
        """
        image = depth / np.float32(result.table.scale if result.table else 1.0)
        pose = np.asarray(T_world_camera)
        points = depth_to_points(image, intrinsics, pose, max_depth=FARTHEST)
        points = points[:: 1 + len(points) // MOST_POINTS]
        colours = height_colours(points, result.workspace.table_height)
        title = title or f"**{result.reason}**: {len(result)} grasps"
        shown = result.grasps, result.tsdf, shape, planes or {}, result.hand, result.workspace
        return cls(title, points.astype(np.float32), colours, *shown)


def hand_mesh(hand: Hand, width: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Palm and fingers of a hand opened to `width` (m), as boxes in the grasp frame.

    Returns:
        vertices (24, 3) in metres, and triangles (36, 3).
    """
    low, high = hand.finger_box
    left = Box(*((x, y + width / 2, z) for x, y, z in (low, high)))
    right = Box((low[0], -left.upper[1], low[2]), (high[0], -left.lower[1], high[2]))
    corners = []
    for box in (hand.palm_box, left, right):
        axes = np.array(box).T
        corners.append(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3))
    faces = [_BOX_FACES + 8 * number for number in range(3)]
    return np.concatenate(corners).astype(np.float32), np.concatenate(faces)


def height_colours(points: NDArray[np.floating], table_height: float) -> NDArray[np.uint8]:
    """Colours (N, 3) of points (N, 3): the table grey, things by their height over it (m)."""
    over = points[:, 2] - table_height
    colours = 255 * HEIGHT_COLOURS(np.clip(over / HIGH, 0, 1))[:, :3]
    return np.where(over[:, None] < ABOVE, 170, colours).astype(np.uint8)


def plane_pictures(planes: Mapping[str, NDArray[np.floating]]) -> dict[str, NDArray[np.uint8]]:
    """Pictures (H, W, 3) of feature planes (C, H, W): the length of the features, dark to bright.

    Of a turned scene an exact model gives the turned picture of the table plane.
    """
    pictures = {}
    for name, plane in planes.items():
        length = np.linalg.norm(plane, axis=0)
        span = np.ptp(length) or 1.0
        grey = (255 * (length - length.min()) / span).astype(np.uint8)
        image = np.repeat(grey.T[::-1, :, None], 3, axis=2)  # x to the right, the other axis up
        pictures[name] = np.kron(image, np.ones((ENLARGED, ENLARGED, 1), np.uint8))
    return pictures
