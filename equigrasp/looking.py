"""From the depth images a planner is given to those that it works on, or why there is no plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from equigrasp.geometry.transforms import check_rigid
from equigrasp.perception.camera import Intrinsics
from equigrasp.perception.rectify import TableFit, fit_table, table_in_depth
from equigrasp.views import Views, check_views, hardly_any_reading
from equigrasp.workspace import Workspace


class Look(NamedTuple):
    """Views that were checked and rectified, or why they serve no plan.

    Attributes:
        views: in the workspace frame; rectified where that was asked and there is no reason.
        to_workspace: (4, 4) pose of the cameras' world in the workspace frame; None if they are
            one.
        tables: what the table plane said, per view; empty if not asked.
        table: height (m) of the table in these images; None where it is not known.
        reason: a key of `equigrasp.plan_result.REASONS`; "" where there is none.
        detail: what more there is to say of the reason, or what is doubtful about the tables.
    """

    views: Views
    to_workspace: NDArray[np.float64] | None = None
    tables: tuple[TableFit, ...] = ()
    table: float | None = None
    reason: str = ""
    detail: str = ""

    def on(
        self, device: torch.device
    ) -> tuple[Tensor, Intrinsics | list[Intrinsics], NDArray[np.float64]]:
        """Images (V, H, W), metres, on a device, their intrinsics, and poses (V, 4, 4)."""
        stack, cameras = self.views.stacked()
        return torch.from_numpy(stack).to(device), cameras, self.views.poses


def look(
    depth: ArrayLike | Sequence[ArrayLike],
    intrinsics: Intrinsics | Sequence[Intrinsics],
    T_world_camera: ArrayLike,
    T_workspace_world: ArrayLike | None,
    workspace: Workspace,
    *,
    table_known: bool,
    rectify: bool,
    scale_limit: float,
) -> Look:
    """Views checked, moved to the workspace frame, and rectified by the table that they show.

    Args:
        depth, intrinsics, T_world_camera: as for `equigrasp.views.check_views`.
        T_workspace_world: (4, 4) pose of the cameras' world in the workspace frame; None if they
            are one.
        workspace: that is looked at.
        table_known: whether the workspace's table height is that of the scene.
        rectify: whether to undo the global depth factor, and to refuse what the table contradicts.
        scale_limit: a factor further than this from 1 is such a contradiction.

    Raises:
        ValueError: what `check_views` refuses; a pose of the world that is none.
    """
    given, to_workspace = check_views(depth, intrinsics, T_world_camera), None
    if T_workspace_world is not None:
        to_workspace = check_rigid(T_workspace_world, "T_workspace_world")
        given = given._replace(poses=to_workspace @ given.poses)
    if hardly_any_reading(given.images):
        return Look(given, to_workspace, reason="empty_depth")
    fits: tuple[TableFit, ...] = ()
    if table_known:
        views = zip(*given, strict=True)
        fits = tuple(fit_table(*view, workspace, limit=scale_limit) for view in views)
    tables = fits if rectify else ()
    if any(fit.setup for fit in tables):
        told = "; ".join(dict.fromkeys(fit.reason for fit in tables if fit.setup))
        return Look(given, to_workspace, tables, reason="check_setup", detail=told)
    table = table_in_depth(fits, given.poses, workspace)
    if rectify:
        images = [fit.divide(image) for fit, image in zip(fits, given.images, strict=True)]
        given = given._replace(images=images)
        table = None if table is None else workspace.table_height
    doubts = "; ".join(dict.fromkeys(fit.doubt for fit in tables if fit.doubt))
    return Look(given, to_workspace, tables, table, detail=doubts)
