"""Whether a camera and its pose can be meant: what is checked before grasps are wrong.

`python -m equigrasp.doctor --camera K.json --pose T.json --depth depth.png` prints the findings.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.geometry.transforms import Matrix, check_rigid, inverse_transform
from equigrasp.input_files import read_camera, read_pose, read_view
from equigrasp.perception.camera import Intrinsics, project, valid_pixels, validate_depth
from equigrasp.perception.rectify import fit_table
from equigrasp.views import Views, where_readings_lie
from equigrasp.workspace import WORKSPACE, Workspace

FROM_BODY = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]).T
"""Axes of an optical frame (x right, y down, z forward) in ROS's body frame (x forward, z up)."""
FROM_GL = np.diag([1.0, -1.0, -1.0])
"""The same in a frame of OpenGL (x right, y up, z backward)."""
ENOUGH = 0.5
"""A camera that sees so much of the cube looks at it."""


class Finding(NamedTuple):
    """What was looked at, "ok", "warn" or "fail", what was found, and what to do."""

    name: str
    status: str
    detail: str
    remedy: str = ""


def check_camera(
    intrinsics: Intrinsics,
    T_world_camera: ArrayLike,
    depth: NDArray[np.floating] | None = None,
    workspace: Workspace = WORKSPACE,
) -> list[Finding]:
    """Findings on intrinsics, on the frame of the pose, and on an image if there is one.

    Args:
        intrinsics: pixels.
        T_world_camera: (4, 4), in the workspace frame.
        depth: (H, W) metres.
        workspace: that the camera is to look at.

    Raises:
        ValueError: no intrinsics, no pose, or no depth image at all.
    """
    intrinsics.validate()
    pose = check_rigid(T_world_camera, "T_world_camera")
    wide = np.degrees(2 * np.arctan(intrinsics.width / (2 * intrinsics.fx)))
    size = f"{intrinsics.width}x{intrinsics.height}, {wide:.0f} degrees wide"
    findings = [Finding("camera: intrinsics", "ok", size), _frame(intrinsics, pose, workspace)]
    if depth is not None:
        findings += _image(depth, intrinsics, pose, workspace)
    return findings


def check_camera_files(
    camera: Path, pose: Path | None = None, depth: Path | None = None, scale: float | None = None
) -> list[Finding]:
    """Findings on a camera's files; one that cannot be read is a finding.

    Args:
        camera, pose: see `equigrasp.input_files`; without a pose it stands with the intrinsics.
        depth: image of that camera.
        scale: metres of one unit of it.
    """
    try:
        image, intrinsics = (None, None) if depth is None else read_view(depth, camera, scale)
        found = read_pose(pose or camera)
        if found is None:
            raise ValueError("no pose was given; --pose names a file with T_world_camera, 4x4")
        return check_camera(intrinsics or read_camera(camera), found, image)
    except (ValueError, FileNotFoundError) as error:
        return [Finding("camera", "fail", str(error))]


def share_in_view(intrinsics: Intrinsics, pose: Matrix, workspace: Workspace) -> float:
    """Share of the cube, from the table up, that a camera over the table has in its image."""
    if pose[2, 3] <= workspace.table_height:
        return 0.0
    steps = np.linspace(0.1, 0.9, 5) * workspace.side
    heights = workspace.table_height + np.array([0.0, 0.1, 0.2]) * workspace.side
    points = np.array([(x, y, z) for x in steps for y in steps for z in heights])
    u, v, z = project(points, intrinsics, pose).T
    inside = (z > 0) & (u >= 0) & (u < intrinsics.width) & (v >= 0) & (v < intrinsics.height)
    return float(inside.mean())


def _frame(intrinsics: Intrinsics, pose: Matrix, workspace: Workspace) -> Finding:
    seen = share_in_view(intrinsics, pose, workspace)
    place = np.round(pose[:3, 3], 3).tolist()
    detail = f"the camera at {place} m sees {seen:.0%} of the workspace"
    if seen >= ENOUGH:
        return Finding("camera: frame", "ok", detail)
    others = {
        "it is the inverse: give the pose of the camera, not the world's in its frame": (
            inverse_transform(pose)
        ),
        "its axes are those of a body (x forward, z up): give the optical frame, z forward": (
            _turned(pose, FROM_BODY)
        ),
        "its axes are OpenGL's (y up, z backward): give OpenCV's, y down and z forward": (
            _turned(pose, FROM_GL)
        ),
    }
    for remedy, other in others.items():
        if share_in_view(intrinsics, other, workspace) >= ENOUGH:
            return Finding("camera: frame", "fail", detail, remedy)
    remedy = (
        f"the workspace is the cube from 0 to {workspace.side:g} m with the table at "
        f"z = {workspace.table_height:g} m: give the pose in that frame, or T_workspace_world"
    )
    return Finding("camera: frame", "warn" if seen else "fail", detail, remedy)


def _turned(pose: Matrix, axes: NDArray) -> Matrix:
    turned = pose.copy()
    turned[:3, :3] = pose[:3, :3] @ axes
    return turned


def _image(
    depth: NDArray[np.floating], intrinsics: Intrinsics, pose: Matrix, workspace: Workspace
) -> list[Finding]:
    image = validate_depth(depth, intrinsics, pose)
    share = float(valid_pixels(image).mean())
    found = [Finding("camera: readings", "ok" if share > 0.3 else "warn", f"{share:.0%} of pixels")]
    if share:
        where = where_readings_lie(Views([image], [intrinsics], pose[None]), workspace)
        found.append(Finding("camera: where", "ok", where))
    table = fit_table(image, intrinsics, pose, workspace)
    if table.ok:
        told = f"seen where it should be, depth factor {table.scale:.3f}"
        return [*found, Finding("camera: table", "ok", told, table.doubt)]
    return [*found, Finding("camera: table", "fail" if table.setup else "warn", table.reason)]
