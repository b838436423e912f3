"""Pictures of what the planner sees and proposes: depth, TSDF, ranked grasps, predicted shape.

    from equigrasp.viewer import save_pictures
    shape = planner.reconstruct(depth, intrinsics, T_world_camera)
    save_pictures("outputs/look", depth, intrinsics, T_world_camera, result, shape=shape)

Figures are made without a display and without touching pyplot's state. `equigrasp.browser` shows
the same in a browser.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Line3DCollection
from numpy.typing import NDArray

from equigrasp.data.files import atomic_path
from equigrasp.geometry.transforms import transform_points
from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA, Hand
from equigrasp.perception.camera import FAR, Intrinsics, project, valid_pixels
from equigrasp.plan_result import PlanResult
from equigrasp.scene_axes import (
    draw_cloud,
    draw_cube,
    draw_mesh,
    draw_surface,
    relief,
    workspace_window,
)
from equigrasp.scene_mesh import SceneMesh
from equigrasp.workspace import WORKSPACE, Workspace

SCORE_COLOURS = matplotlib.colormaps["RdYlGn"]
MAX_DRAWN = 30
"""More hands than this hide the scene."""
BEST_DRAWN = 3
"""More hands than this hide a shape."""
_INK = "#20303c"


def gripper_lines(grasp: Grasp, hand: Hand = PANDA) -> NDArray[np.float64]:
    """Wireframe of a hand at its predicted opening: (4, 2, 3) end points of segments, metres."""
    half = grasp.width / 2
    palm, wrist = -hand.finger_depth, -hand.tcp_from_base
    ends = [
        ((0, half, 0), (0, half, palm)),
        ((0, -half, 0), (0, -half, palm)),
        ((0, half, palm), (0, -half, palm)),
        ((0, 0, palm), (0, 0, wrist)),
    ]
    return transform_points(grasp.T_world_grasp, np.array(ends).reshape(-1, 3)).reshape(4, 2, 3)


def draw_depth(depth: NDArray[np.floating]) -> Figure:
    """Picture of a depth image (H, W) in metres; pixels without a reading are pink."""
    figure = Figure(figsize=(7.2, 5.0), layout="constrained")
    axes = figure.add_subplot()
    seen = valid_pixels(depth)
    scene = depth[seen & (depth < 0.99 * FAR)]  # the background would eat most of the colours
    near, far = np.percentile(scene, (0.5, 99)) if scene.size else (0.0, 1.0)
    colours = matplotlib.colormaps["turbo_r"].with_extremes(bad="#f4c2d7", over="#1c1f2b")
    shown = axes.imshow(np.where(seen, depth, np.nan), cmap=colours, vmin=near, vmax=far)
    axes.set_xticks([])
    axes.set_yticks([])
    missing = 1 - seen.mean()
    lack = f", {missing:.1%} without a reading" if missing else ""
    axes.set_title(f"Depth image{lack}", color=_INK)
    figure.colorbar(shown, ax=axes, label="metres", shrink=0.85, extend="both")
    return figure


def draw_tsdf(tsdf: NDArray[np.floating], *, workspace: Workspace = WORKSPACE) -> Figure:
    """Picture of a TSDF (N, N, N) in either encoding: one slice per axis, and the surface."""
    figure = Figure(figsize=(11.5, 8.6), layout="constrained")
    n = len(tsdf)
    step = workspace.side / n
    table = min(int(max(workspace.table_height, 0) / step) + 3, n - 1)
    views = [
        ("from above", tsdf[:, :, table].T, "x", "y", f"z = {(table + 0.5) * step:.3f} m"),
        ("from the front", tsdf[:, n // 2].T, "x", "z", f"y = {(n // 2 + 0.5) * step:.3f} m"),
        ("from the side", tsdf[n // 2].T, "y", "z", f"x = {(n // 2 + 0.5) * step:.3f} m"),
    ]
    colours = matplotlib.colormaps["RdBu"].with_extremes(under="#d5d8dc")
    grid = figure.add_gridspec(2, 3, height_ratios=(1, 1.7))
    axes = [figure.add_subplot(grid[0, i]) for i in range(3)]
    for ax, (name, image, right, up, place) in zip(axes, views, strict=True):
        shown = ax.imshow(
            image,
            cmap=colours,
            vmin=1e-6,
            vmax=1,
            origin="lower",
            extent=(0, workspace.side, 0, workspace.side),
        )
        ax.set(title=f"{name}, {place}", xlabel=f"{right} (m)", ylabel=f"{up} (m)")
    label = "behind (0) | surface (0.5) | front (1); grey: 0"
    figure.colorbar(shown, ax=axes, label=label, shrink=0.9)
    draw_surface(figure.add_subplot(grid[1, :], projection="3d"), tsdf, workspace.side)
    figure.suptitle(f"TSDF, {n} voxels per side", color=_INK)
    return figure


def draw_grasps(
    depth: NDArray[np.floating],
    intrinsics: Intrinsics,
    T_world_camera: NDArray,
    grasps: Sequence[Grasp],
    *,
    hand: Hand = PANDA,
    workspace: Workspace = WORKSPACE,
) -> Figure:
    """Picture of grasps, coloured by score, in the camera's image and in the 3-D scene.

    Args:
        depth: (H, W) metres.
        intrinsics, T_world_camera: its camera, in the frame of the grasps.
        grasps: best first; no more than `MAX_DRAWN` are drawn.
        hand, workspace: of the grasps.
    """
    figure = Figure(figsize=(13.5, 5.8), layout="constrained")
    figure.suptitle(f"Ranked grasps: {len(grasps)} found", color=_INK)
    image, space = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2, projection="3d")
    shades = relief(depth, intrinsics, T_world_camera, workspace.table_height)
    image.imshow(shades)
    u0, u1, v0, v1 = workspace_window(intrinsics, T_world_camera, workspace)
    image.set(xticks=[], yticks=[], title="as the camera sees it", xlim=(u0, u1), ylim=(v1, v0))
    for rank in range(min(len(grasps), MAX_DRAWN))[::-1]:  # the best on top
        lines = gripper_lines(grasps[rank], hand)
        flat = project(lines.reshape(-1, 3), intrinsics, T_world_camera)[:, :2].reshape(4, 2, 2)
        width = 1.6 if rank else 3.4
        for colour, extra, above in ((_INK, 1.6, 0), (score_colour(grasps[rank]), 0.0, 1)):
            style = {"color": colour, "linewidth": width + extra, "capstyle": "round"}
            style["zorder"] = 10 + 2 * (MAX_DRAWN - rank) + above
            image.add_collection(LineCollection(flat, **style))
            space.add_collection3d(Line3DCollection(lines, **style))
    draw_cloud(space, depth, shades, intrinsics, T_world_camera, workspace)
    bar = matplotlib.cm.ScalarMappable(Normalize(0, 1), SCORE_COLOURS)
    figure.colorbar(bar, ax=[image, space], label="score", shrink=0.8)
    return figure


def draw_shape(
    shape: SceneMesh,
    grasps: Sequence[Grasp] = (),
    *,
    hand: Hand = PANDA,
    workspace: Workspace = WORKSPACE,
) -> Figure:
    """Picture of a predicted shape from two sides, with grasps.

    Args:
        shape: in the workspace frame.
        grasps: best first; the best ones are drawn.
        hand, workspace: of the grasps.
    """
    figure = Figure(figsize=(12.0, 5.6), layout="constrained")
    figure.suptitle(f"Predicted shape: {len(shape.faces)} triangles ({shape.reason})", color=_INK)
    for place, azimuth in enumerate((-60, 120), start=1):
        axes = figure.add_subplot(1, 2, place, projection="3d")
        draw_cube(axes, workspace.side)
        axes.view_init(elev=28, azim=azimuth)
        axes.set_title(f"azimuth {azimuth} degrees")
        draw_mesh(axes, shape.vertices, shape.faces, alpha=0.9)
        for grasp in grasps[:BEST_DRAWN]:
            lines = gripper_lines(grasp, hand)
            axes.add_collection3d(Line3DCollection(lines, color=score_colour(grasp), linewidth=2.0))
    return figure


def save_pictures(
    directory: str | os.PathLike,
    depth: NDArray[np.floating],
    intrinsics: Intrinsics,
    T_world_camera: NDArray,
    result: PlanResult,
    prefix: str = "",
    *,
    shape: SceneMesh | None = None,
) -> list[Path]:
    """Write the pictures of one planning step and return their paths.

    The files are `{prefix}depth.png`, `{prefix}tsdf.png` and `{prefix}grasps.png`, and with a
    predicted `shape` (in the workspace frame) also `{prefix}shape.png`. The depth is the
    planner's input; where it was rectified, the grasps are drawn in the rectified scene. Hand and
    workspace are those of the result. A planner that fuses no TSDF gets no picture of one.
    """
    rectified = depth / np.float32(result.table.scale if result.table else 1.0)
    figures = {"depth": draw_depth(depth)}
    if result.tsdf.size:
        figures["tsdf"] = draw_tsdf(result.tsdf, workspace=result.workspace)
    figures["grasps"] = draw_grasps(
        rectified,
        intrinsics,
        T_world_camera,
        result.grasps,
        hand=result.hand,
        workspace=result.workspace,
    )
    if shape is not None:
        seen = {"hand": result.hand, "workspace": result.workspace}
        figures["shape"] = draw_shape(shape, result.grasps, **seen)
    paths = []
    for name, figure in figures.items():
        path = Path(directory) / f"{prefix}{name}.png"
        with atomic_path(path) as unfinished:
            figure.savefig(unfinished, dpi=110, format="png", facecolor="white")
        paths.append(path)
    return paths


def score_colour(grasp: Grasp) -> tuple[float, float, float, float]:
    """Colour (red, green, blue, opacity) of a grasp's score; blue where it has none."""
    return SCORE_COLOURS(grasp.score) if np.isfinite(grasp.score) else (0.2, 0.4, 0.9, 1.0)
