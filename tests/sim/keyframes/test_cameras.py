"""What the cameras see agrees with where things are."""

import numpy as np
import pytest

from equigrasp.policy.episodes.camera import point_cloud
from equigrasp.policy.episodes.frames import CAMERAS, FrameCamera, FrameState
from sim.keyframes.cameras import render
from sim.stage.arm import Arm
from sim.stage.bodies import box
from sim.stage.stage import TABLE_TOP, Stage

HALF, CENTRE, YAW = 0.06, np.array([0.25, 0.05]), 0.4


@pytest.fixture(scope="module")
def view():
    """Images, their cameras, and the handle of a cube on the table."""
    with Stage() as stage:
        arm = Arm(stage)
        middle = (*CENTRE, TABLE_TOP + HALF)
        cube = stage.add(box((HALF,) * 3), middle, (0.9, 0.1, 0.1), yaw=YAW, mass=0)
        images, misc = render(arm, CAMERAS)
        table = stage.table
    state = FrameState(misc=misc)
    return images, {name: FrameCamera.of(state, name) for name in CAMERAS}, cube + 1, table + 1


@pytest.mark.parametrize("name", CAMERAS)
def test_every_camera_sees_the_cube_where_it_is(view, name):
    images, cameras, handle, _ = view
    seen = images[name].mask == handle
    assert seen.sum() > 30, "the cube is out of sight"
    points = point_cloud(images[name].depth, cameras[name])[seen]
    c, s = np.cos(YAW), np.sin(YAW)
    local = points - [*CENTRE, TABLE_TOP + HALF]
    local[:, :2] = local[:, :2] @ np.array([[c, -s], [s, c]])
    outside = np.abs(np.abs(local).max(1) - HALF)
    assert np.median(outside) < 5e-4
    assert np.quantile(outside, 0.9) < 3e-3  # pixels on an edge see past it
    red = images[name].rgb[seen].astype(int)
    assert (red[:, 0] > red[:, 1] + 50).mean() > 0.95


@pytest.mark.parametrize("name", ["front", "overhead", "left_shoulder"])
def test_the_table_is_flat(view, name):
    images, cameras, _, table = view
    points = point_cloud(images[name].depth, cameras[name])[images[name].mask == table]
    top = points[np.abs(points[:, 2] - TABLE_TOP) < 0.05]
    assert len(top) > 1000
    assert np.quantile(np.abs(top[:, 2] - TABLE_TOP), 0.9) < 1e-3


@pytest.mark.parametrize("name", ["front", "overhead", "right_shoulder"])
def test_corners_are_where_projection_puts_them(view, name):
    images, cameras, handle, _ = view
    c, s = np.cos(YAW), np.sin(YAW)
    corners = np.array([[x, y] for x in (-HALF, HALF) for y in (-HALF, HALF)])
    top = np.column_stack(
        [corners @ np.array([[c, s], [-s, c]]) + CENTRE, np.full(4, TABLE_TOP + 2 * HALF)]
    )
    local = (top - cameras[name].extrinsics[:3, 3]) @ cameras[name].extrinsics[:3, :3]
    image = local @ cameras[name].intrinsics.T
    expected = image[:, :2] / image[:, 2:]
    rows, columns = np.nonzero(images[name].mask == handle)
    low, high = expected.min(0), expected.max(0)
    assert columns.min() - 1.5 <= low[0] <= columns.min() + 1.5 or name != "overhead"
    assert abs(columns.max() - high[0]) < 4
    assert abs(rows.min() - low[1]) < 4


def test_handles_tell_bodies_from_the_background(view):
    images, _, handle, table = view
    found = set(np.unique(images["front"].mask))
    assert {0, handle, table} <= found
