"""Pictures of what the planner sees and proposes: depth, TSDF, ranked grasps in the scene.

    from equigrasp.viewer import save_pictures
    save_pictures("outputs/look", depth, intrinsics, T_world_camera, result)

Figures are made without a display and without touching pyplot's state. `show_interactive` opens a
browser view with viser, if that is installed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LightSource, Normalize
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Line3DCollection
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from equigrasp.constants import FAR, FINGER_DEPTH, TABLE_HEIGHT, TCP_FROM_HAND, WORKSPACE_SIZE
from equigrasp.data.files import atomic_path
from equigrasp.geometry.transforms import transform_points
from equigrasp.grasp import Grasp
from equigrasp.perception.camera import (
    Intrinsics,
    depth_to_points,
    pixel_rays,
    project,
    valid_pixels,
)
from equigrasp.perception.tsdf import surface_mesh
from equigrasp.plan_result import PlanResult

SCORE_COLOURS = matplotlib.colormaps["RdYlGn"]
HEIGHT_COLOURS = matplotlib.colormaps["PuBu"]
MAX_DRAWN = 30
"""More hands than this hide the scene."""
_INK = "#20303c"


def gripper_lines(grasp: Grasp) -> NDArray[np.float64]:
    """Wireframe of a hand at its predicted opening: (4, 2, 3) end points of segments, metres."""
    half = grasp.width / 2
    palm, wrist = -FINGER_DEPTH, -TCP_FROM_HAND
    ends = [
        ((0, half, 0), (0, half, palm)),
        ((0, -half, 0), (0, -half, palm)),
        ((0, half, palm), (0, -half, palm)),
        ((0, 0, palm), (0, 0, wrist)),
    ]
    return transform_points(grasp.T_world_grasp, np.array(ends).reshape(-1, 3)).reshape(4, 2, 3)


def draw_depth(depth: NDArray[np.floating], title: str = "Depth image") -> Figure:
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
    axes.set_title(f"{title}, {missing:.1%} without a reading" if missing else title, color=_INK)
    figure.colorbar(shown, ax=axes, label="metres", shrink=0.85, extend="both")
    return figure


def draw_tsdf(tsdf: NDArray[np.floating], title: str = "TSDF") -> Figure:
    """Picture of a TSDF (N, N, N) in either encoding: one slice per axis, and the surface."""
    figure = Figure(figsize=(11.5, 8.6), layout="constrained")
    n = len(tsdf)
    step = WORKSPACE_SIZE / n
    table = min(int(TABLE_HEIGHT / step) + 3, n - 1)
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
            extent=(0, WORKSPACE_SIZE, 0, WORKSPACE_SIZE),
        )
        ax.set(title=f"{name}, {place}", xlabel=f"{right} (m)", ylabel=f"{up} (m)")
    label = "behind (0) | surface (0.5) | front (1); grey: 0"
    figure.colorbar(shown, ax=axes, label=label, shrink=0.9)
    _surface(figure.add_subplot(grid[1, :], projection="3d"), tsdf)
    figure.suptitle(f"{title}, {n} voxels per side", color=_INK)
    return figure


def draw_grasps(
    depth: NDArray[np.floating],
    intrinsics: Intrinsics,
    T_world_camera: NDArray,
    grasps: Sequence[Grasp],
    title: str = "Ranked grasps",
) -> Figure:
    """Picture of grasps, coloured by score, in the camera's image and in the 3-D scene.

    Args:
        depth: (H, W) metres.
        intrinsics, T_world_camera: its camera, in the frame of the grasps.
        grasps: best first; no more than `MAX_DRAWN` are drawn.
        title: heading.
    """
    figure = Figure(figsize=(13.5, 5.8), layout="constrained")
    figure.suptitle(f"{title}: {len(grasps)} found", color=_INK)
    image, space = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2, projection="3d")
    relief = _relief(depth, intrinsics, T_world_camera)
    image.imshow(relief)
    u0, u1, v0, v1 = _workspace_window(intrinsics, T_world_camera)
    image.set(xticks=[], yticks=[], title="as the camera sees it", xlim=(u0, u1), ylim=(v1, v0))
    for rank in range(min(len(grasps), MAX_DRAWN))[::-1]:  # the best on top
        lines = gripper_lines(grasps[rank])
        flat = project(lines.reshape(-1, 3), intrinsics, T_world_camera)[:, :2].reshape(4, 2, 2)
        width = 1.6 if rank else 3.4
        for colour, extra, above in ((_INK, 1.6, 0), (_colour(grasps[rank]), 0.0, 1)):
            style = {"color": colour, "linewidth": width + extra, "capstyle": "round"}
            style["zorder"] = 10 + 2 * (MAX_DRAWN - rank) + above
            image.add_collection(LineCollection(flat, **style))
            space.add_collection3d(Line3DCollection(lines, **style))
    _cloud(space, depth, relief, intrinsics, T_world_camera)
    bar = matplotlib.cm.ScalarMappable(Normalize(0, 1), SCORE_COLOURS)
    figure.colorbar(bar, ax=[image, space], label="score", shrink=0.8)
    return figure


def save_pictures(
    directory: str | os.PathLike,
    depth: NDArray[np.floating],
    intrinsics: Intrinsics,
    T_world_camera: NDArray,
    result: PlanResult,
    prefix: str = "",
) -> list[Path]:
    """Write the three pictures of one planning step and return their paths.

    The files are `{prefix}depth.png`, `{prefix}tsdf.png` and `{prefix}grasps.png`. The depth is the
    planner's input; where it was rectified, the grasps are drawn in the rectified scene.
    """
    rectified = depth / np.float32(result.table.scale if result.table else 1.0)
    figures = {
        "depth": draw_depth(depth),
        "tsdf": draw_tsdf(result.tsdf),
        "grasps": draw_grasps(rectified, intrinsics, T_world_camera, result.grasps),
    }
    paths = []
    for name, figure in figures.items():
        path = Path(directory) / f"{prefix}{name}.png"
        with atomic_path(path) as unfinished:
            figure.savefig(unfinished, dpi=110, format="png", facecolor="white")
        paths.append(path)
    return paths


def show_interactive(
    depth: NDArray[np.floating],
    intrinsics: Intrinsics,
    T_world_camera: NDArray,
    grasps: Sequence[Grasp],
    *,
    port: int = 8080,
) -> Any:
    """Serve the scene to a browser and return the running `viser.ViserServer`.

    Raises:
        ImportError: viser is not installed; the message names the command.
    """
    import trimesh

    try:
        import viser
    except ImportError as error:
        raise ImportError(
            "the interactive viewer needs viser: pip install 'equigrasp[viz]'"
        ) from error
    server = viser.ViserServer(port=port)
    points = depth_to_points(depth, intrinsics, T_world_camera, max_depth=1.5)
    relief = _relief(depth, intrinsics, T_world_camera)[valid_pixels(depth) & (depth < 1.5)]
    colours = (255 * relief).astype(np.uint8)
    server.scene.add_point_cloud("/scene", points.astype(np.float32), colours, point_size=0.001)
    for rank, grasp in enumerate(grasps):
        rods = [trimesh.creation.cylinder(0.0015, segment=ends) for ends in gripper_lines(grasp)]
        hand = trimesh.util.concatenate(rods)
        colour = tuple(int(255 * c) for c in _colour(grasp)[:3])
        server.scene.add_mesh_simple(
            f"/grasps/{rank:03d}", hand.vertices.astype(np.float32), hand.faces, color=colour
        )
    return server


def _workspace_window(
    intrinsics: Intrinsics, T_world_camera: NDArray
) -> tuple[float, float, float, float]:
    """Part of the image (u0, u1, v0, v1) that shows the workspace cube from the table up."""
    side = np.array([0.0, WORKSPACE_SIZE])
    heights = (TABLE_HEIGHT, 0.8 * WORKSPACE_SIZE)
    corners = np.array([(x, y, z) for x in side for y in side for z in heights])
    u, v, z = project(corners, intrinsics, T_world_camera).T
    if (z <= 0).any():
        return -0.5, intrinsics.width - 0.5, -0.5, intrinsics.height - 0.5
    margin = 0.05 * (u.max() - u.min())
    u0, u1 = np.clip((u.min() - margin, u.max() + margin), 0, intrinsics.width - 1)
    v0, v1 = np.clip((v.min() - margin, v.max() + margin), 0, intrinsics.height - 1)
    return float(u0), float(u1), float(v0), float(v1)


def _colour(grasp: Grasp) -> tuple[float, float, float, float]:
    """Colour of a grasp's score; blue where it has none."""
    return SCORE_COLOURS(grasp.score) if np.isfinite(grasp.score) else (0.2, 0.4, 0.9, 1.0)


def _relief(
    depth: NDArray[np.floating], intrinsics: Intrinsics, T_world_camera: NDArray
) -> NDArray[np.float64]:
    """(H, W, 3) colours by height over the table, lit from the camera's upper left."""
    seen = valid_pixels(depth)
    # Smoothed over a few pixels: the noise of single ones would hide the shape.
    weight = gaussian_filter(seen.astype(float), 3.0)
    depth = gaussian_filter(np.where(seen, depth, 0.0).astype(float), 3.0) / np.maximum(
        weight, 1e-9
    )
    local = pixel_rays(intrinsics).astype(float) * depth[..., None]
    down, right = (np.roll(local, -3, axis) - np.roll(local, 3, axis) for axis in (0, 1))
    normal = np.cross(down, right)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    brightness = 0.55 + 0.45 * np.clip(normal @ (-0.44, -0.635, -0.635), 0, 1)
    T = np.asarray(T_world_camera, dtype=float)
    height = local @ T[2, :3] + T[2, 3] - TABLE_HEIGHT
    colours = HEIGHT_COLOURS(0.08 + 0.75 * np.clip(height / 0.12, 0, 1))[..., :3]
    return np.where(seen[..., None], colours * brightness[..., None], 1.0)


def _cloud(
    axes: Any,
    depth: NDArray[np.floating],
    relief: NDArray[np.floating],
    intrinsics: Intrinsics,
    T_world_camera: NDArray,
) -> None:
    """Point cloud of the workspace and a little around it."""
    points = depth_to_points(depth, intrinsics, T_world_camera)
    inside = (np.abs(points - WORKSPACE_SIZE / 2) < WORKSPACE_SIZE / 2 + 0.01).all(1)
    thin = max(1, int(inside.sum()) // 25_000)
    points, colours = points[inside][::thin], relief[valid_pixels(depth)][inside][::thin]
    axes.scatter(*points.T, c=colours, s=2.0, linewidths=0, depthshade=False, zorder=1)
    _frame(axes)
    eye = np.asarray(T_world_camera)[:3, 3] - WORKSPACE_SIZE / 2
    axes.view_init(elev=32, azim=np.degrees(np.arctan2(eye[1], eye[0])) + 30)
    axes.set_title("in the workspace")


def _surface(axes: Any, tsdf: NDArray[np.floating]) -> None:
    """Shaded marching-cubes surface of the observed part of a TSDF."""
    _frame(axes)
    axes.view_init(elev=35, azim=-60)
    axes.set_title("surface")
    vertices, faces = surface_mesh(tsdf)
    if not len(faces):
        return
    axes.plot_trisurf(
        *vertices.T,
        triangles=faces,
        color="#8fb3cf",
        lightsource=LightSource(azdeg=225, altdeg=50),
        linewidth=0,
        antialiased=False,
    )


def _frame(axes: Any) -> None:
    """The workspace cube with equal scales, without clutter."""
    axes.computed_zorder = False  # hands are drawn over the points they reach into
    limits = (0.0, WORKSPACE_SIZE)
    axes.set(xlim=limits, ylim=limits, zlim=limits, xlabel="x (m)", ylabel="y (m)", zlabel="z (m)")
    axes.set_box_aspect((1, 1, 1), zoom=1.05)
    ticks = np.linspace(0, WORKSPACE_SIZE, 4)
    axes.set(xticks=ticks, yticks=ticks, zticks=ticks)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color((0.97, 0.97, 0.97, 1.0))
