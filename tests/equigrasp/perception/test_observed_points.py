"""Points and unseen voxels of one or several depth images."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from equigrasp.data.synthetic import Primitive, random_primitives, render_primitives
from equigrasp.perception.camera import Intrinsics, depth_to_points, fixed_view, random_view
from equigrasp.perception.surface import observed_points, raised_readings, unseen_voxels
from equigrasp.testing import turn_grid
from equigrasp.workspace import WORKSPACE

CAMERA = Intrinsics(320, 240, 270.0, 270.0, 160.0, 120.0)
seeds = st.integers(0, 2**32 - 1)
TURNS = np.round([[[1, 0], [0, 1]], [[0, -1], [1, 0]], [[-1, 0], [0, -1]], [[0, 1], [-1, 0]]], 0)


def scene(seed, views=1):
    rng = np.random.default_rng(seed)
    shapes = random_primitives(rng)
    poses = np.stack([random_view(rng) for _ in range(views)])
    images = np.stack([render_primitives(shapes, CAMERA, pose) for pose in poses])
    images[:, ::7, ::5] = rng.choice([0, np.nan, np.inf])
    return torch.from_numpy(images), poses


def turned(poses, turns):
    """Cameras turned about the axis of the workspace."""
    G, centre = np.eye(3), np.array([0.15, 0.15, 0.0])
    G[:2, :2] = TURNS[turns]
    poses = poses.copy()
    poses[:, :3, :3] = G @ poses[:, :3, :3]
    poses[:, :3, 3] = (poses[:, :3, 3] - centre) @ G.T + centre
    return poses, G, centre


def readings_of(images, poses):
    """All readings (N, 3) of views, metres."""
    views = zip(images, poses, strict=True)
    return np.concatenate([depth_to_points(i.numpy(), CAMERA, T) for i, T in views])


def on_borders(readings):
    """Voxels (M, 3), corner first, on either side of readings that rounding may put into both."""
    steps = readings / WORKSPACE.voxel
    near = np.abs(steps - np.round(steps)) < 1e-4  # under a micrometre
    found = steps[near.any(1)]
    offsets = (-1e-3, 1e-3)
    sides = [found + np.array(o) for o in product(offsets, offsets, offsets)]
    return np.unique(np.floor(np.concatenate(sides)).astype(int), axis=0)


def assert_same_points(found, expected, readings):
    """Equal but for voxels that share a reading on their border."""
    free = [
        points[~in_rows(np.floor(points / WORKSPACE.voxel).astype(int), on_borders(readings))]
        for points in (found, expected)
    ]
    assert len(free[0]) == len(free[1]) > 0.9 * len(expected)
    distance = torch.cdist(*(torch.from_numpy(points.astype("f8")) for points in free))
    assert max(distance.amin(0).max(), distance.amin(1).max()) < 2e-6


def in_rows(rows, table):
    """Which rows (N, 3) of whole numbers are in a table (M, 3)."""
    known = set(map(tuple, table))
    return np.array([tuple(row) in known for row in rows], bool)


@given(seeds, st.integers(1, 3))
@settings(max_examples=8)
def test_points_are_the_means_of_the_readings_in_every_voxel(seed, views):
    images, poses = scene(seed, views)
    found = observed_points(images, CAMERA, poses).numpy()
    readings = readings_of(images, poses)
    cell = np.floor(readings / WORKSPACE.voxel).astype(int)
    keep = ((cell >= 0) & (cell < 40)).all(1)
    _, which = np.unique(cell[keep], axis=0, return_inverse=True)
    means = [
        np.bincount(which.ravel(), axis) / np.bincount(which.ravel()) for axis in readings[keep].T
    ]
    assert_same_points(found, np.stack(means, 1), readings)


@given(seeds, st.integers(1, 3), st.integers(1, 2))
@example(652, 2, 2)  # two readings on borders
@example(14474, 2, 1)  # one a rounding error inside the cube
@settings(max_examples=10)
def test_points_and_unseen_voxels_turn_with_the_cameras(seed, turns, views):
    images, poses = scene(seed, views)
    poses, *_ = turned(poses, 0)
    other, G, centre = turned(poses, turns)
    plain = observed_points(images, CAMERA, poses).numpy()
    points = observed_points(images, CAMERA, other).numpy()
    expected = (plain - centre) @ G.T + centre
    assert_same_points(points, expected, readings_of(images, other))
    hidden = unseen_voxels(images, CAMERA, poses)
    differing = unseen_voxels(images, CAMERA, other) != turn_grid(hidden, turns)
    assert differing.float().mean() < 1e-4  # rays through the border of two pixels


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("side", [-1, 1])
def test_a_reading_a_rounding_error_inside_the_cube_counts_at_its_side(axis, side):
    """Neither in a voxel at the opposite side nor beyond the arrays."""
    last = np.nextafter(np.float32(0.15), np.float32(0))
    at = np.full(3, 0.01)
    at[axis] = side * last
    pose = np.eye(4)
    pose[:3, :3] = np.eye(3)[:, [axis - 1, axis, axis - 2]]  # it looks along another axis
    pose[:3, 3] = at + 0.15 - 0.5 * pose[:3, 2]
    image, camera = torch.tensor([[0.5]]), Intrinsics(1, 1, 1.0, 1.0, 0.0, 0.0)
    cell = np.array([21, 21, 21])
    cell[axis] = 39 if side > 0 else 0
    np.testing.assert_allclose(observed_points(image, camera, pose), [at + 0.15], atol=1e-6)
    raised = raised_readings(image, camera, pose, floor=-1.0)
    assert raised.nonzero().tolist() == [cell.tolist()]


def test_a_coarser_grid_gives_fewer_points_and_no_reading_gives_none():
    images, poses = scene(0)
    fine, coarse = (
        len(observed_points(images, CAMERA, poses, replace(WORKSPACE, resolution=n)))
        for n in (40, 20)
    )
    assert 0 < coarse < 0.5 * fine
    nothing = observed_points(torch.zeros(240, 320), CAMERA, fixed_view())
    assert nothing.shape == (0, 3)
    assert unseen_voxels(torch.zeros(240, 320), CAMERA, fixed_view()).all()


def test_unseen_is_what_lies_behind_the_box_and_a_second_view_shows_it():
    box = Primitive(np.array([0.15, 0.15, 0.11]), np.array([0.06, 0.01, 0.06]))
    front = fixed_view()
    back = turned(front[None], 2)[0][0]
    images = [torch.from_numpy(render_primitives([box], CAMERA, pose)) for pose in (front, back)]
    behind = (20, 23, 9)  # (0.154, 0.176, 0.071): in the shadow of a box 12 cm high
    before = (20, 16, 9)
    hidden = unseen_voxels(images[0], CAMERA, front)
    assert hidden[behind]
    assert not hidden[before]
    both = unseen_voxels(torch.stack(images), CAMERA, np.stack([front, back]))
    assert not both[behind]
    assert both[20, 20, 12]  # inside the box
    assert (both <= hidden).all()
