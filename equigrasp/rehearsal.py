"""A made-up scene on which a planner can rehearse, so that its first real plan is not its first."""

from __future__ import annotations

import numpy as np

from equigrasp.data.synthetic import Primitive, render_primitives
from equigrasp.geometry.transforms import Matrix
from equigrasp.perception.camera import DEFAULT_INTRINSICS, Intrinsics, fixed_view
from equigrasp.workspace import Workspace


def rehearsal(workspace: Workspace) -> tuple[np.ndarray, Intrinsics, Matrix]:
    """Depth image (H, W) in metres, intrinsics and pose of a block in the middle of a workspace."""
    half = np.full(3, 0.07 * workspace.side)
    middle = np.array([workspace.side / 2, workspace.side / 2, workspace.table_height + half[2]])
    middle[2] = max(middle[2], half[2])  # the cube may float above the table
    pose = fixed_view(workspace)
    block = [Primitive(middle, half, 0.3)]
    image = render_primitives(block, DEFAULT_INTRINSICS, pose, workspace.table_height)
    return image, DEFAULT_INTRINSICS, pose
