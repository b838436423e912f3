"""`GraspPlanner.reconstruct`: from a depth image to a mesh, its frame, and turned scenes."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from equigrasp import build_model
from equigrasp.geometry.transforms import inverse_transform, make_transform, transform_points
from equigrasp.matter import scene_occupancy
from equigrasp.nn.freeze import freeze
from equigrasp.perception.camera import fixed_view
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.planner import GraspPlanner
from equigrasp.scene_mesh import SceneMesh
from equigrasp.testing import turn_grid, turn_matrix


@pytest.fixture(scope="module")
def shipped():
    return GraspPlanner.from_pretrained("equigiga_pile")


def turned(vertices, turns):
    middle = np.array([0.15, 0.15, 0.0])
    return (vertices - middle) @ turn_matrix(turns).double().numpy().T + middle


def farthest(points, others):
    """The largest distance from one of the points to the nearest of the others."""
    return cKDTree(others).query(points)[0].max()


def test_the_shape_is_where_the_things_are(shipped, camera, depth_image):
    shape = shipped.reconstruct(depth_image(), camera, fixed_view(), resolution=40)
    mesh = shape.to_trimesh()
    assert shape.reason == "ok"
    assert mesh.is_watertight
    assert shape.occupancy.shape == (40, 40, 40)
    inside = [(0.10, 0.11, 0.08), (0.19, 0.17, 0.075), (0.12, 0.21, 0.065)]  # conftest.SHAPES
    outside = [(0.25, 0.25, 0.1), (0.15, 0.15, 0.2), (0.05, 0.05, 0.1)]
    assert mesh.contains(inside).all()
    assert not mesh.contains(outside).any()


def test_in_the_frame_of_the_cameras(shipped, camera, depth_image):
    T = make_transform(turn_matrix(1).numpy(), (1.0, -2.0, 0.3))  # T_world_workspace
    plain = shipped.reconstruct(depth_image(), camera, fixed_view(), resolution=20)
    moved = shipped.reconstruct(
        *(depth_image(), camera, T @ fixed_view()),
        T_workspace_world=inverse_transform(T),
        resolution=20,
    )
    expected = transform_points(T, plain.vertices)
    np.testing.assert_allclose(moved.vertices.mean(0), expected.mean(0), atol=1e-3)
    np.testing.assert_allclose(np.ptp(moved.vertices, 0), np.ptp(expected, 0), atol=1e-3)


@pytest.mark.parametrize("name", ["equigiga", "equiigd"])
def test_an_exact_model_gives_the_turned_mesh(name, camera, depth_image):
    torch.manual_seed(0)
    model = freeze(build_model(name, fields=2, resolution=20)).double()
    views = torch.from_numpy(depth_image()), camera, fixed_view()
    tsdf = fuse_tsdf(*views, workspace=model.workspace, encoding="full")
    plain = scene_occupancy(model, tsdf.double(), 24).numpy()
    # An untrained head hardly varies: the level is put into its middle, where no value is near.
    values = np.quantile(plain, np.linspace(0.4, 0.6, 50), method="nearest")
    widest = np.diff(values).argmax()
    level = values[widest : widest + 2].mean()
    mesh = SceneMesh.of(plain - level + 0.5, 0.3)
    assert len(mesh.vertices) > 100
    for turns in (1, 2, 3):
        other = scene_occupancy(model, turn_grid(tsdf.double(), turns), 24).numpy()
        there = SceneMesh.of(other - level + 0.5, 0.3)
        np.testing.assert_allclose(other, np.rot90(plain, turns, (0, 1)), atol=1e-9)
        assert there.vertices.shape == mesh.vertices.shape
        expected = turned(mesh.vertices, turns)
        assert max(farthest(there.vertices, expected), farthest(expected, there.vertices)) < 1e-5


def test_why_there_is_no_shape(shipped, camera, depth_image):
    empty = shipped.reconstruct(np.zeros_like(depth_image()), camera, fixed_view())
    assert (empty.reason, len(empty.faces)) == ("empty_depth", 0)
    lifted = make_transform(np.eye(3), (0, 0, 0.2)) @ fixed_view()
    wrong = shipped.reconstruct(depth_image(), camera, lifted)
    assert (wrong.reason, len(wrong.faces)) == ("check_setup", 0)


def test_models_without_occupancy_are_refused(camera, depth_image):
    planner = GraspPlanner(build_model("vgn"))
    with pytest.raises(ValueError, match="'vgn' predicts no occupancy"):
        planner.reconstruct(depth_image(), camera, fixed_view())
