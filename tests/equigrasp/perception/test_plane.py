"""The table is found where it is, from any camera, beside Open3D's plane and the true one."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.geometry.transforms import make_transform, transform_points
from equigrasp.perception.plane import NoTable, find_table
from equigrasp.testing import turn_matrix

seeds = st.integers(0, 2**32 - 1)


def scene(seed, noise=0.002):
    """Points of a table at z = 0 and of things on it, shuffled, and a camera above."""
    rng = np.random.default_rng(seed)
    table = np.column_stack([rng.uniform(-0.5, 0.5, (3000, 2)), np.zeros(3000)])
    things = [
        rng.uniform(-0.03, 0.03, (300, 3)) + [*rng.uniform(-0.3, 0.3, 2), 0.05] for _ in "abcd"
    ]
    points = np.concatenate([table, *things]) + noise * rng.standard_normal((4200, 3))
    pose = make_transform(
        Rotation.from_euler("x", 180 + 40, degrees=True).as_matrix(), (0, -0.5, 0.6)
    )
    return rng.permutation(points), pose


@given(seeds)
@settings(max_examples=15)
def test_the_table_is_where_it_is_in_every_frame(seed):
    points, camera = scene(seed)
    move = make_transform(Rotation.random(random_state=seed).as_matrix(), (0.3, -2.0, 1.0))
    found = find_table(transform_points(move, points), move @ camera)
    up, origin = found.T_world_table[:3, 2], found.T_world_table[:3, 3]
    assert math.degrees(math.acos(min(1.0, up @ move[:3, 2]))) < 0.5
    assert abs((origin - move[:3, 3]) @ move[:3, 2]) < 1e-3
    assert found.share == pytest.approx(3000 / 4200, abs=0.08)
    assert found.residual == pytest.approx(0.002, rel=0.3)
    # below the camera, y along its view
    below = move @ np.array([0, -0.5, 0.0, 1.0])
    np.testing.assert_allclose(origin, below[:3], atol=0.01)
    assert found.T_world_table[:3, 1] @ move[:3, 1] == pytest.approx(1.0, abs=1e-3)


def test_open3d_finds_the_same_plane():
    open3d = pytest.importorskip("open3d")
    points, camera = scene(3)
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points))
    (a, b, c, d), _ = cloud.segment_plane(0.008, 3, 1000)
    found = find_table(points, camera)
    normal = np.array([a, b, c]) / np.linalg.norm([a, b, c])
    assert abs(found.T_world_table[:3, 2] @ normal) > np.cos(np.deg2rad(0.5))
    assert abs(found.heights(-d * normal[None] / np.linalg.norm([a, b, c]))) < 2e-3


def test_heights_are_those_over_the_plane():
    points, camera = scene(5, noise=0.0)
    found = find_table(points, camera)
    np.testing.assert_allclose(found.heights(points), points[:, 2], atol=1e-6)


def test_a_camera_that_looks_straight_down_has_the_top_of_its_image_ahead():
    points, _ = scene(1)
    for turns in range(4):
        camera = make_transform(turn_matrix(turns).numpy() @ np.diag([1, -1, -1]), (0, 0, 0.7))
        ahead = find_table(points, camera).T_world_table[:3, 1]
        np.testing.assert_allclose(ahead, -camera[:3, 1], atol=0.02)


def test_a_wall_is_no_table_where_up_is_known():
    rng = np.random.default_rng(0)
    table = np.column_stack([rng.uniform(-0.3, 0.3, (900, 2)), np.zeros(900)])
    wall = np.column_stack(
        [rng.uniform(-0.3, 0.3, 2000), np.full(2000, 0.3), rng.uniform(0, 1, 2000)]
    )
    points, camera = np.concatenate([table, wall]), scene(0)[1]
    assert abs(find_table(points, camera).T_world_table[2, 2]) < 0.1
    found = find_table(points, camera, up=(0.1, 0, 2.0))
    assert found.T_world_table[2, 2] > 0.999
    assert found.share == pytest.approx(900 / 2900, abs=0.02)
    with pytest.raises(NoTable, match="check the direction of up"):
        find_table(wall, camera, up=(0, 0, 1))


def test_what_has_no_plane_has_no_table():
    rng = np.random.default_rng(0)
    with pytest.raises(NoTable, match="share a plane"):
        find_table(rng.uniform(-1, 1, (2000, 3)), scene(0)[1])
    with pytest.raises(NoTable, match="2 readings"):
        find_table(np.zeros((2, 3)), np.eye(4))
