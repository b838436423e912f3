"""Surface points of a TSDF against surfaces that are known, neighbourhoods against brute force."""

import numpy as np
import pytest
import torch

from equigrasp.nn.surface_points import FAR, TABLE_MARGIN, Cloud, SurfacePoints, neighbours
from equigrasp.workspace import Workspace

N = 24
CUBE = Workspace(0.3, 0.05, N)
CENTRE, RADIUS = torch.tensor([0.02, -0.05, 0.1]), 0.2


def sphere(unseen=None):
    """TSDF (1, N, N, N) of a ball, observed but for what `unseen` says of voxel centres."""
    axis = (torch.arange(N) + 0.5) / N - 0.5
    centres = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)
    distance = (centres - CENTRE).norm(dim=-1) - RADIUS
    values = (0.5 + distance * N / 8).clamp(1e-6, 1.0)
    if unseen is not None:
        values[unseen(centres)] = 0.0
    return values[None]


def kept(cloud):
    real = cloud.position[0, :, 0] < 1
    return cloud.position[0][real], cloud.feature[0][real]


def test_points_lie_on_the_surface_and_normals_point_outwards():
    position, normal = kept(SurfacePoints(CUBE, 400)(sphere()))
    assert len(position) == 400
    outwards = position - CENTRE
    # A distance is not linear between voxels on a curved surface: a twentieth of a voxel.
    assert (outwards.norm(dim=1) - RADIUS).abs().max() < 0.05 / N
    cosine = (torch.nn.functional.normalize(outwards, dim=1) * normal).sum(1)
    assert cosine.min() > 0.95


def test_where_the_unobserved_begins_there_is_no_surface():
    position, _ = kept(SurfacePoints(CUBE, 5000)(sphere(lambda c: c[..., 0] > CENTRE[0])))
    assert len(position)
    assert (position[:, 0] < CENTRE[0] + 1.0 / N).all()
    assert ((position - CENTRE).norm(dim=1) - RADIUS).abs().max() < 0.05 / N


def test_room_that_is_left_lies_far_away():
    cloud = SurfacePoints(CUBE, 3 * N**3)(sphere())
    position, _ = kept(cloud)
    assert 200 < len(position) < 3 * N**3
    rest = cloud.position[0, :, 0] > 1
    assert (cloud.position[0][rest] == FAR).all()
    empty = SurfacePoints(CUBE, 10)(torch.zeros(2, N, N, N))
    assert (empty.position == FAR).all()
    assert empty.feature.isfinite().all()


def test_the_table_fills_what_room_things_leave():
    """A ball on a table: few points are on the ball, many on both."""
    axis = (torch.arange(N) + 0.5) / N - 0.5
    table = CUBE.table_height / CUBE.side - 0.5
    plane = (0.5 + (axis - table) * N / 8).clamp(1e-6, 1.0).expand(N, N, N)[None]
    scene = torch.minimum(sphere(), plane)
    height = table + TABLE_MARGIN / CUBE.side
    few, _ = kept(SurfacePoints(CUBE, 100)(scene))
    assert (few[:, 2] > height - 0.5 / N).all()
    many, _ = kept(SurfacePoints(CUBE, 3000)(scene))
    assert (many[:, 2] < height).sum() > 300


def test_a_cloud_without_points_is_refused():
    with pytest.raises(ValueError, match="points is 0"):
        SurfacePoints(CUBE, 0)


def test_neighbourhoods_are_those_of_a_search_by_hand():
    rng = np.random.default_rng(0)
    position, feature = rng.uniform(-0.5, 0.5, (2, 30, 3)), rng.normal(size=(2, 30, 2))
    points = rng.uniform(-0.5, 0.5, (2, 5, 3))
    position[:, 25:] = FAR
    cloud = Cloud(torch.tensor(position), torch.tensor(feature))
    around, counts = neighbours(torch.tensor(points), cloud, 6, 0.4)
    for b in range(2):
        for q in range(5):
            distance = np.linalg.norm(position[b] - points[b, q], axis=1)
            nearest = np.argsort(distance)[:6]
            near = distance[nearest] < 0.4
            np.testing.assert_array_equal(counts[b, q, :, 0], near)
            offset = (position[b][nearest] - points[b, q]) / 0.4
            np.testing.assert_allclose(around[b, q, near, :3], offset[near])
            np.testing.assert_allclose(around[b, q, :, 3:], feature[b][nearest])
            assert (around[b, q, ~near, :3] == 0).all()
