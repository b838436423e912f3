"""RLBench's cameras against the geometry of a cube of known pose, rendered by ray casting."""

import numpy as np
import pytest

from equigrasp.geometry.transforms import look_at, make_transform
from equigrasp.policy.episodes.camera import (
    camera_from_opengl,
    intrinsics_of,
    opengl_depth,
    point_cloud,
)
from equigrasp.policy.episodes.frames import FrameCamera, FrameState

HALF, CENTRE, YAW = 0.1, np.array([0.3, -0.1, 0.85]), 0.5
CORNERS = np.array(np.meshgrid(*[[-HALF, HALF]] * 3)).reshape(3, 8).T


def opengl_view(eye, target):
    """World to OpenGL camera (x right, y up, looking along -z)."""
    T_world_opencv = look_at(eye, target)
    return np.linalg.inv(T_world_opencv @ np.diag([1.0, -1.0, -1.0, 1.0]))


def cube_depth(camera, size):
    """Depth of the cube along the camera's axis by clipping rays, and where it is seen."""
    c, s = np.cos(YAW), np.sin(YAW)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    v, u = np.indices((size, size), dtype=float)
    rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(camera.intrinsics).T
    origin = turn.T @ (camera.extrinsics[:3, 3] - CENTRE)
    direction = rays @ camera.extrinsics[:3, :3].T @ turn
    with np.errstate(divide="ignore"):
        first, second = (-HALF - origin) / direction, (HALF - origin) / direction
    enter = np.minimum(first, second).max(-1)
    leave = np.maximum(first, second).min(-1)
    return np.where(enter < leave, enter, np.nan), make_transform(turn, CENTRE)


def project(points, camera):
    """Image coordinates and depth (..., 3): u, v, z of world points (..., 3)."""
    local = (np.asarray(points) - camera.extrinsics[:3, 3]) @ camera.extrinsics[:3, :3]
    image = local @ camera.intrinsics.T
    return np.concatenate([image[..., :2] / image[..., 2:], image[..., 2:]], -1)


@pytest.mark.parametrize("size", [64, 128])
def test_points_of_a_cube_lie_on_its_faces(size):
    camera = camera_from_opengl(
        opengl_view([1.0, 0.6, 1.5], CENTRE), intrinsics_of(size, size, 40.0), 0.01, 4.0
    )
    depth, T_world_cube = cube_depth(camera, size)
    seen = np.isfinite(depth)
    assert seen.mean() > 0.05
    points = point_cloud(np.where(seen, depth, 1.0), camera)[seen]
    local = (points - T_world_cube[:3, 3]) @ T_world_cube[:3, :3]
    np.testing.assert_allclose(np.abs(local).max(-1), HALF, atol=1e-9)
    assert len(np.unique(np.abs(local).argmax(-1))) == 3  # three faces are in view


def test_projection_is_the_inverse_and_the_image_is_the_right_way_up():
    camera = camera_from_opengl(
        opengl_view([1.0, 0.0, 1.0], [0, 0, 1.0]), intrinsics_of(128, 128, 60.0), 0.01, 4.0
    )
    points = np.random.default_rng(0).uniform(-0.2, 0.2, (50, 3)) + [0, 0, 1.0]
    image = project(points, camera)
    whole = np.round(image[:, :2]).astype(int)
    depth = np.ones((128, 128))
    depth[whole[:, 1], whole[:, 0]] = image[:, 2]
    again = project(point_cloud(depth, camera)[whole[:, 1], whole[:, 0]], camera)
    np.testing.assert_allclose(again[:, :2], whole, atol=1e-9)
    above, left = project([[0, 0, 1.1], [0, -0.1, 1.0]], camera)
    assert above[1] < 64 < image[points[:, 2] < 0.95, 1].min()
    assert left[0] < 64  # seen from +x, -y is on the left


def test_focal_length_is_negative_and_follows_the_longer_side():
    wide = intrinsics_of(200, 100, 90.0)
    np.testing.assert_allclose(wide, [[-100, 0, 100], [0, -100, 50], [0, 0, 1]])


def test_opengl_buffer_to_metres():
    near, far = 0.01, 4.5
    for z in (near, 0.7, far):
        buffer = (far + near - 2 * near * far / z) / (far - near) / 2 + 0.5
        np.testing.assert_allclose(opengl_depth(buffer, near, far), z, rtol=1e-9)


def test_cameras_travel_in_misc():
    camera = camera_from_opengl(np.eye(4), intrinsics_of(32, 32, 40.0), 0.01, 3.0)
    seen = FrameState(misc=camera.to_misc("front"))
    again = FrameCamera.of(seen, "front")
    np.testing.assert_array_equal(again.extrinsics, camera.extrinsics)
    assert (again.near, again.far) == (0.01, 3.0)
    with pytest.raises(KeyError, match="wrist_camera_extrinsics"):
        FrameCamera.of(seen, "wrist")
