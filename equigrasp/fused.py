"""From checked depth images to what a plan is made of: a volume, its surface, what is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equigrasp.clearance import Observed
from equigrasp.detection import DetectionConfig
from equigrasp.looking import Look
from equigrasp.perception.camera import Intrinsics
from equigrasp.perception.surface import raised_readings, readings, surface_voxels
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.views import under
from equigrasp.workspace import Workspace


class Volume(NamedTuple):
    """What a model looks at.

    Attributes:
        tsdf: (N, N, N) in the model's encoding and resolution.
        surface: (K, K, K) bool on the lattice of query points: the observed surface, without the
            table where that is known.
    """

    tsdf: Tensor
    surface: Tensor

    @classmethod
    def of_views(
        cls,
        depth: Tensor,
        intrinsics: Intrinsics | Sequence[Intrinsics],
        T_world_camera: NDArray[np.float64],
        workspace: Workspace,
        encoding: str,
        floor: float | None,
        lattice: int | None,
        under_mask: Tensor | None = None,
        read: Tensor | None = None,
    ) -> Volume:
        """From depth images (V, H, W), metres, with camera poses (V, 4, 4) in the workspace frame.

        Args:
            depth, intrinsics, T_world_camera: the views.
            workspace, encoding: of the model.
            floor: surface below this height (m) is the table's; None if there is none known.
            lattice: query points per side; None for the workspace's resolution.
            under_mask: the images with no reading but under the masks of what is to be grasped:
                its surface alone is the surface then; None without masks.
            read: of these, or of the views without masks; see `observed_points`.
        """
        views = depth, intrinsics, T_world_camera
        tsdf = fuse_tsdf(*views, workspace=workspace, encoding=encoding)
        fine = replace(workspace, resolution=lattice or workspace.resolution)
        shown = views if under_mask is None else (under_mask, *views[1:])
        if floor is not None:
            return cls(tsdf, raised_readings(*shown, floor, fine, read))
        if fine == workspace and under_mask is None:
            return cls(tsdf, surface_voxels(tsdf))
        return cls(tsdf, surface_voxels(fuse_tsdf(*shown, workspace=fine, encoding=encoding)))


def fuse(
    looked: Look,
    masks: Sequence[NDArray[np.bool_]] | None,
    workspace: Workspace,
    encoding: str,
    config: DetectionConfig,
    table_height: float | None,
    device: torch.device,
) -> tuple[Volume, Observed]:
    """The volume of some views, and what they show of the surface.

    Args:
        looked: the views.
        masks: (H, W) of each, of what is to be grasped; None for everything.
        workspace, encoding: of the model.
        config: thresholds.
        table_height: in the workspace frame, metres; None if it is not known.
        device: of the result.
    """
    views = looked.on(device)
    under_mask = None
    if masks is not None:
        under_mask = looked._replace(views=under(looked.views, masks)).on(device)[0]
    floor = config.floor(looked.table)
    read = readings(*views, workspace)
    shown = read if under_mask is None else readings(under_mask, *views[1:], workspace)
    lattice = config.lattice
    volume = Volume.of_views(*views, workspace, encoding, floor, lattice, under_mask, shown)
    how = {"floor": config.floor(table_height), "unseen": config.unseen != "free"}
    return volume, Observed.of_views(*views, workspace, **how, under_mask=under_mask, read=read)
