"""Tables with nothing to grasp on them, as training items: where a planner must not promise any.

The camera is that of a scene; its table is bare, or carries things of a few millimetres.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equigrasp.perception.camera import FAR, Intrinsics, depth_to_points, valid_pixels
from equigrasp.perception.rectify import table_depth
from equigrasp.perception.surface import surface_band, within_reach
from equigrasp.workspace import Workspace

Array = NDArray[np.float64]
Depth = NDArray[np.float32]

TABLE_SIDE = 1.2
"""Side of the square table that scenes are rendered with, metres."""
BARE_SHARE = 0.5
"""Share of the empty tables that carry nothing at all."""
THINGS = (1, 3)
"""Number of flat things on the others."""
HEIGHTS = (0.001, 0.006)
"""Their heights, metres: no finger gets below them or holds them at the side."""
RADII = (0.03, 0.09)
"""Half of their widths, metres."""
REACH = 0.055
"""Planners ask up to this distance (m) around the surface: `DetectionConfig.reach`."""
BORDER = 0.02
"""... and keep this distance (m) from the side walls: `DetectionConfig.border`."""
AROUND = 0.03
"""Points this near (m) to a hole, or to what the noise raised, are drawn more often."""
RAISED = 0.004
"""Surface that much (m) above the table is the noise's, or a flat thing's."""


def empty_table(
    intrinsics: Intrinsics, T_world_camera: Array, rng: np.random.Generator, workspace: Workspace
) -> Depth:
    """Depth (H, W) in metres of a table that holds nothing to grasp; background reads `FAR`.

    Args:
        intrinsics, T_world_camera: the camera, in the workspace frame.
        rng: decides what lies there.
        workspace: its side and the height of the table.
    """
    margin = (TABLE_SIDE - workspace.side) / 2
    depth = table_depth(intrinsics, T_world_camera, workspace, margin=margin)
    known = np.isfinite(depth)
    if rng.random() >= BARE_SHARE:
        x, y, _ = depth_to_points(depth, intrinsics, T_world_camera).T
        # All rays meet the table from the same height, so what lifts it shortens them in
        # proportion. The rims of things this low are not worth a second intersection.
        above = T_world_camera[2, 3] - workspace.table_height
        depth[known] *= 1 - flat_things(x, y, rng, workspace.side) / above
    return np.where(known, np.minimum(depth, FAR), FAR).astype(np.float32)


def flat_things(x: Array, y: Array, rng: np.random.Generator, side: float) -> Array:
    """Heights (n,) in metres, at places (n,), of coasters, slabs and cloths drawn on a table.

    Args:
        x, y: workspace frame, metres.
        rng: decides how many there are, which, and where.
        side: of the workspace, whose middle they lie near, metres.
    """
    height = np.zeros_like(x)
    for _ in range(rng.integers(THINGS[0], THINGS[1] + 1)):
        centre, turn = rng.uniform(0.2, 0.8, 2) * side, rng.uniform(0, np.pi)
        long = rng.uniform(*RADII)
        short = long * rng.uniform(0.5, 1.0)
        c, s = np.cos(turn), np.sin(turn)
        u = (c * (x - centre[0]) + s * (y - centre[1])) / long
        v = (c * (y - centre[1]) - s * (x - centre[0])) / short
        thick = rng.uniform(*HEIGHTS)
        shape = rng.choice(["slab", "coaster", "cloth"])
        if shape == "slab":
            thing = thick * ((abs(u) < 1) & (abs(v) < 1))
        elif shape == "coaster":
            thing = thick * (u**2 + v**2 < 1)
        else:  # folds across it, flat towards its rim
            folds = 0.6 + 0.4 * np.sin(rng.uniform(2, 8) * u + rng.uniform(0, 6))
            thing = thick * folds * np.clip(1 - u**2 - v**2, 0, None)
        height = np.maximum(height, thing)
    return height


def asked_points(
    tsdf: Tensor,
    holes: NDArray[np.floating],
    count: int,
    rng: np.random.Generator,
    workspace: Workspace,
) -> NDArray[np.float32]:
    """Where a planner would ask for quality, more often near holes and near false surface.

    Args:
        tsdf: (N, N, N), of the noised image.
        holes: (n, 3) table points whose readings are missing, metres.
        count: number of points.
        rng: source of the draws.
        workspace: of the scene.

    Returns:
        (count, 3) points in the workspace frame, above the table, metres.
    """
    n, side = tsdf.shape[-1], workspace.side
    step = side / n
    centres = (torch.arange(n) + 0.5) * step
    level = (centres > BORDER) & (centres < side - BORDER)
    allowed = level[:, None, None] & level[None, :, None] & (centres > workspace.table_height)
    band = surface_band(tsdf, REACH, side=side) & allowed
    lost = torch.zeros_like(band)
    cells = torch.from_numpy(holes / step).floor().long()
    lost[tuple(cells[((cells >= 0) & (cells < n)).all(1)].T)] = True
    raised = surface_band(tsdf, AROUND, side=side, floor=workspace.table_height + RAISED)
    groups = [band, band & within_reach(lost, AROUND / step), band & raised]
    pools = [group.nonzero().numpy() for group in groups if group.any()]
    pools = pools or [allowed.nonzero().numpy()]
    chosen = [pool[rng.integers(len(pool), size=count // len(pools) + 1)] for pool in pools]
    cells = np.concatenate(chosen)[rng.permutation(sum(map(len, chosen)))[:count]]
    points = (cells + rng.random(cells.shape)) * step
    points[:, 2] = np.maximum(points[:, 2], workspace.table_height)
    return points.astype(np.float32)


def hole_points(clean: Depth, noisy: Depth, intrinsics: Intrinsics, T_world_camera: Array) -> Array:
    """What the readings (n, 3) that noise took away would have shown, workspace frame, metres."""
    lost = np.where(valid_pixels(noisy), np.float32(0), clean)
    return depth_to_points(lost, intrinsics, T_world_camera, max_depth=FAR)
