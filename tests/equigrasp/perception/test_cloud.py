"""A cloud, seen from where it was taken, is the image it came from."""

import numpy as np
import pytest
import torch

from equigrasp.data.synthetic import Primitive, render_primitives
from equigrasp.geometry.transforms import make_transform, transform_points
from equigrasp.perception.camera import Intrinsics, depth_to_points, fixed_view, view_on_sphere
from equigrasp.perception.cloud import view_of_cloud
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.testing import turn_matrix

CAMERA = Intrinsics(320, 240, 270.0, 270.0, 160.0, 120.0)
THINGS = [
    Primitive(np.array([0.10, 0.11, 0.080]), np.array([0.02, 0.03, 0.030]), 0.4),
    Primitive(np.array([0.19, 0.17, 0.075]), np.full(3, 0.025), box=False),
]


def cloud(pose, things=THINGS):
    image = render_primitives(things, CAMERA, pose)
    return image, depth_to_points(image, CAMERA, pose, max_depth=1.9)


@pytest.mark.parametrize("polar", [0.3, 1.0])
def test_the_volume_of_a_cloud_is_that_of_its_image(polar):
    pose = view_on_sphere(0.6, polar, -1.2, (0.15, 0.15, 0.1))
    image, points = cloud(pose)
    seen = view_of_cloud(np.random.default_rng(0).permutation(points), pose[:3, 3])
    expected = fuse_tsdf(torch.from_numpy(image), CAMERA, pose)
    found = fuse_tsdf(torch.from_numpy(seen.depth), *seen[1:])
    near = (expected > 0.2) & (expected < 0.8)
    assert (found[near] - expected[near]).abs().mean() < 0.04
    assert ((found > 0) == (expected > 0)).float().mean() > 0.97


def test_few_pixels_stay_empty_and_none_is_invented():
    pose = view_on_sphere(0.6, 0.5, -1.2, (0.15, 0.15, 0.1))
    _, points = cloud(pose, things=())
    for share in (1.0, 0.3, 0.05):
        some = points[np.random.default_rng(1).random(len(points)) < share]
        seen = view_of_cloud(some, pose[:3, 3])
        drawn = seen.depth > 0
        high, wide = drawn.shape
        assert drawn[high // 3 : -high // 3, wide // 3 : -wide // 3].mean() > 0.95
        back = depth_to_points(seen.depth, seen.intrinsics, seen.T_world_camera)
        step = 1.5 / seen.intrinsics.fx
        nearest = [np.linalg.norm(some - p, axis=1).min() for p in back[:: len(back) // 50]]
        assert np.max(nearest) < 0.004 + 3 * step


def test_the_frame_does_not_matter():
    pose = fixed_view()
    _, points = cloud(pose)
    T = make_transform(turn_matrix(1).numpy(), (1.0, -2.0, 0.5))
    plain = view_of_cloud(points, pose[:3, 3])
    moved = view_of_cloud(transform_points(T, points), (T @ pose)[:3, 3])
    np.testing.assert_allclose(moved.T_world_camera, T @ plain.T_world_camera, atol=1e-9)
    assert (np.abs(moved.depth - plain.depth) < 1e-4).mean() > 0.99  # points on pixel borders


@pytest.mark.parametrize(
    ("points", "eye", "told"),
    [
        (np.zeros((5, 2)), (0, 0, 1), r"give \(N, 3\)"),
        (np.zeros((5, 3)), (0, 0), "3 metres"),
        (np.full((5, 3), np.nan), (0, 0, 1), "0 finite points"),
        (np.random.default_rng(0).normal(size=(99, 3)) * 900, (0, 0, 1), "check the unit"),
        (np.random.default_rng(0).uniform(-1, 1, (999, 3)), (0, 0, 0), "behind the view point"),
    ],
)
def test_what_is_no_cloud_from_there_is_refused(points, eye, told):
    with pytest.raises(ValueError, match=told):
        view_of_cloud(points, eye)
