"""What is out of range in a scene whose arrays have the right shapes and types."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equigrasp.data.scene_files import ADDED, LARGEST_DEPTH, SceneRecord
from equigrasp.data.vocabulary import Fate, Source
from equigrasp.hand import PANDA, Hand
from equigrasp.perception.camera import check_unit
from equigrasp.workspace import WORKSPACE, Workspace

TIP_MARGIN = 0.01
"""A finger tip may leave the workspace by so much (m) more than the length of a finger, because the
finger's root lies inside."""
WIDTH_MARGIN = 0.002
"""Compliant fingers open this much further than their nominal limit (m)."""
ROTATION_TOLERANCE = 1e-4
OCCUPANCY_MARGIN = 1e-3
"""Half precision rounds a point on a wall of the workspace to just outside (m)."""
UNKNOWN_IS_NAN = {name for names in ADDED.values() for name in names}


def record_faults(
    record: SceneRecord, hand: Hand = PANDA, workspace: Workspace = WORKSPACE
) -> list[str]:
    """What is out of range in a scene whose shapes and types are right.

    Args:
        record: the scene.
        hand, workspace: that the scene was made for.
    """
    r, faults = record, []

    def expect(condition: bool | np.bool_, reason: str) -> None:
        if not condition:
            faults.append(reason)

    expect(r.kind.isidentifier(), f"kind is {r.kind!r}, which is no word")
    for name, value in vars(r).items():
        known = isinstance(value, np.ndarray) and name not in UNKNOWN_IS_NAN
        if known and value.dtype.kind == "f":
            expect(np.isfinite(value).all(), f"{name} holds values that are not finite")
    for name in ("T_world_camera", "T_world_object"):
        expect(_rigid(getattr(r, name)), f"{name} holds a matrix that is not a rigid transform")
    expect(_orthonormal(r.grasp_rotation), "grasp_rotation holds a matrix that is not a rotation")
    try:
        r.intrinsics.validate()
    except ValueError as error:
        faults.append(f"intrinsics: {error}")
    try:
        for image in r.depth:
            check_unit(image)
    except ValueError as error:
        faults.append(f"depth: {error}")
    expect(len(r.view_names) > 0, "there is no view")
    expect(len(set(r.view_names)) == len(r.view_names), f"views share a name: {r.view_names}")
    seen = (r.depth > 0) & (r.depth < LARGEST_DEPTH)
    expect(seen.any(axis=(1, 2)).all(), "a depth image is empty, or at its largest value all over")
    beyond = hand.finger_depth + TIP_MARGIN
    expect(
        _within(r.grasp_position, -beyond, workspace.side + beyond),
        "grasp_position leaves the workspace",
    )
    expect(_within(r.yaw_width, 0.0, hand.opening + WIDTH_MARGIN), "yaw_width is out of range")
    expect((r.yaw_fate <= max(Fate)).all(), f"yaw_fate exceeds {max(Fate)}")
    expect(
        ((r.yaw_fate == Fate.SUCCESS) == r.yaw_success).all(), "yaw_fate contradicts yaw_success"
    )
    expect(_margins_sound(r), "yaw_margin is out of range or positive where the grasp failed")
    expect((r.grasp_source <= max(Source)).all(), f"grasp_source exceeds {max(Source)}")
    expect(len(r.object_id) > 0, "there is no object")
    expect((r.object_scale > 0).all(), "object_scale is not positive")
    for name in ("object_mass", "object_friction"):
        values = getattr(r, name)
        expect((np.isnan(values) | ((values > 0) & (values < np.inf))).all(), f"{name} is no size")
    expect(
        _within(r.occ_points, -OCCUPANCY_MARGIN, workspace.side + OCCUPANCY_MARGIN),
        "occ_points leave the workspace",
    )
    return faults


def _within(values: NDArray, lower: float, upper: float) -> np.bool_:
    values = np.asarray(values, dtype=np.float64)
    return ((values >= lower) & (values <= upper)).all()


def _margins_sound(record: SceneRecord) -> bool:
    known = record.yaw_margin[~np.isnan(record.yaw_margin)]
    failed = record.yaw_margin[~record.yaw_success]
    return bool(_within(known, 0.0, 1.0) and not (failed > 0).any())


def _orthonormal(matrices: NDArray) -> bool:
    R = np.asarray(matrices, dtype=np.float64)
    product = R @ R.transpose(0, 2, 1)
    near = np.abs(product - np.eye(3)).max(initial=0.0) < ROTATION_TOLERANCE
    return bool(near and (np.linalg.det(R) > 0).all())


def _rigid(matrices: NDArray) -> bool:
    last_row = (matrices[:, 3] == (0.0, 0.0, 0.0, 1.0)).all()
    return bool(last_row and _orthonormal(matrices[:, :3, :3]))
