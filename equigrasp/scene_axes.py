"""What the viewer draws into one pair of axes: relief, point cloud, surface, the workspace cube."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import LightSource
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from equigrasp.perception.camera import (
    Intrinsics,
    depth_to_points,
    pixel_rays,
    project,
    valid_pixels,
)
from equigrasp.perception.tsdf import surface_mesh
from equigrasp.workspace import Workspace

HEIGHT_COLOURS = matplotlib.colormaps["PuBu"]


def workspace_window(
    intrinsics: Intrinsics, T_world_camera: NDArray, workspace: Workspace
) -> tuple[float, float, float, float]:
    """Part of the image (u0, u1, v0, v1) that shows the workspace cube from the table up."""
    side = np.array([0.0, workspace.side])
    heights = (workspace.table_height, 0.8 * workspace.side)
    corners = np.array([(x, y, z) for x in side for y in side for z in heights])
    u, v, z = project(corners, intrinsics, T_world_camera).T
    if (z <= 0).any():
        return -0.5, intrinsics.width - 0.5, -0.5, intrinsics.height - 0.5
    margin = 0.05 * (u.max() - u.min())
    u0, u1 = np.clip((u.min() - margin, u.max() + margin), 0, intrinsics.width - 1)
    v0, v1 = np.clip((v.min() - margin, v.max() + margin), 0, intrinsics.height - 1)
    return float(u0), float(u1), float(v0), float(v1)


def relief(
    depth: NDArray[np.floating],
    intrinsics: Intrinsics,
    T_world_camera: NDArray,
    table_height: float,
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
    height = local @ T[2, :3] + T[2, 3] - table_height
    colours = HEIGHT_COLOURS(0.08 + 0.75 * np.clip(height / 0.12, 0, 1))[..., :3]
    return np.where(seen[..., None], colours * brightness[..., None], 1.0)


def draw_cloud(
    axes: Any,
    depth: NDArray[np.floating],
    colours: NDArray[np.floating],
    intrinsics: Intrinsics,
    T_world_camera: NDArray,
    workspace: Workspace,
) -> None:
    """Point cloud of the workspace and a little around it.

    Args:
        axes: 3-D axes.
        depth: (H, W) metres.
        colours: (H, W, 3), for instance `relief`.
        intrinsics, T_world_camera: the camera, in the workspace frame.
        workspace: what is shown.
    """
    points = depth_to_points(depth, intrinsics, T_world_camera)
    half = workspace.side / 2
    inside = (np.abs(points - half) < half + 0.01).all(1)
    thin = max(1, int(inside.sum()) // 25_000)
    shown, shades = points[inside][::thin], colours[valid_pixels(depth)][inside][::thin]
    axes.scatter(*shown.T, c=shades, s=2.0, linewidths=0, depthshade=False, zorder=1)
    draw_cube(axes, workspace.side)
    eye = np.asarray(T_world_camera)[:3, 3] - half
    axes.view_init(elev=32, azim=np.degrees(np.arctan2(eye[1], eye[0])) + 30)
    axes.set_title("in the workspace")


def draw_surface(axes: Any, tsdf: NDArray[np.floating], side: float) -> None:
    """Shaded marching-cubes surface of the observed part of a TSDF (N, N, N)."""
    draw_cube(axes, side)
    axes.view_init(elev=35, azim=-60)
    axes.set_title("surface")
    draw_mesh(axes, *surface_mesh(tsdf, side))


def draw_mesh(
    axes: Any, vertices: NDArray[np.floating], faces: NDArray[np.integer], *, alpha: float = 1.0
) -> None:
    """Shaded surface of triangles (F, 3) between vertices (V, 3) in metres; none if there are none.

    Args:
        axes: 3-D axes.
        vertices, faces: the mesh.
        alpha: 1 is opaque.
    """
    if not len(faces):
        return
    axes.plot_trisurf(
        *vertices.T,
        triangles=faces,
        color="#8fb3cf",
        lightsource=LightSource(azdeg=225, altdeg=50),
        linewidth=0,
        antialiased=False,
        alpha=alpha,
    )


def draw_cube(axes: Any, side: float) -> None:
    """Axes of a workspace cube with equal scales, without clutter; `side` in metres."""
    axes.computed_zorder = False  # hands are drawn over the points they reach into
    limits = (0.0, side)
    axes.set(xlim=limits, ylim=limits, zlim=limits, xlabel="x (m)", ylabel="y (m)", zlabel="z (m)")
    axes.set_box_aspect((1, 1, 1), zoom=1.05)
    ticks = np.linspace(0, side, 4)
    axes.set(xticks=ticks, yticks=ticks, zticks=ticks)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color((0.97, 0.97, 0.97, 1.0))
