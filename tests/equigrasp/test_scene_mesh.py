"""Meshes of an occupancy: closed, outward, in metres, turned with it; files of them."""

import numpy as np
import pytest
import trimesh
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.spatial import cKDTree

from equigrasp.scene_mesh import SceneMesh, occupancy_mesh

SIDE, CENTRE, RADIUS = 0.3, np.array([0.17, 0.12, 0.13]), 0.06


def sphere(resolution=40, centre=CENTRE, radius=RADIUS):
    """Occupancy of a ball, in metres, with a soft edge half a voxel wide."""
    axis = (np.arange(resolution) + 0.5) * SIDE / resolution
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    edge = (radius - np.linalg.norm(grid - centre, axis=-1)) * resolution / SIDE
    return np.clip(0.5 + edge, 0, 1)


def lumps(seed, resolution=24):
    """Occupancy without any symmetry: random, and smooth enough to have a surface."""
    noise = np.random.default_rng(seed).normal(size=(resolution,) * 3)
    field = gaussian_filter(noise, 2.0, mode="constant")
    return 1 / (1 + np.exp(-8 * (field / field.std() - 0.8)))


def farthest(points, others):
    """The largest distance from one of the points to the nearest of the others."""
    return cKDTree(others).query(points)[0].max()


@pytest.mark.parametrize("smooth", [False, True])
def test_a_ball_comes_back_as_a_ball_in_metres(smooth):
    mesh = trimesh.Trimesh(*occupancy_mesh(sphere(), SIDE, smooth=smooth), process=False)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    limit = 0.004 if smooth else 0.0015  # voxels are 7.5 mm; smoothing knows sides alone
    distance = np.linalg.norm(mesh.vertices - CENTRE, axis=1)
    assert abs(distance - RADIUS).max() < limit
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.1)  # > 0: outward


@pytest.mark.parametrize("smooth", [False, True])
def test_smoothing_or_not_lattice_points_stay_on_their_side(smooth):
    occupancy = lumps(2)
    mesh = trimesh.Trimesh(*occupancy_mesh(occupancy, SIDE, smooth=smooth), process=False)
    axis = (np.arange(24) + 0.5) * SIDE / 24
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    filled = occupancy > 0.5
    for part, side in ((filled, True), (~filled, False)):
        deep = binary_erosion(part)  # the others may come to lie on the surface itself
        assert deep.sum() > 50
        assert (mesh.contains(grid[deep]) == side).all()


def test_smoothing_flattens_the_steps_of_a_binary_volume():
    def roughness(smooth):
        mesh = trimesh.Trimesh(*occupancy_mesh(sphere() > 0.5, SIDE, smooth=smooth), process=False)
        return np.linalg.norm(mesh.vertices - CENTRE, axis=1).std()

    assert roughness(True) < 0.5 * roughness(False)


def test_the_vertices_turn_with_the_occupancy():
    occupancy = lumps(0)
    middle = np.array([SIDE / 2, SIDE / 2, 0])
    plain, faces = occupancy_mesh(occupancy, SIDE)
    for turns in (1, 2, 3):
        there, there_faces = occupancy_mesh(np.rot90(occupancy, turns, (0, 1)), SIDE)
        turn = np.round(trimesh.transformations.rotation_matrix(turns * np.pi / 2, (0, 0, 1)))
        expected = (plain - middle) @ turn[:3, :3].T + middle
        assert len(there) == len(expected)
        assert max(farthest(there, expected), farthest(expected, there)) < 1e-7
        # joined by another diagonal here and there, the surface is the same to within a voxel
        first, second = (
            trimesh.Trimesh(v, f) for v, f in ((expected, faces), (there, there_faces))
        )
        assert second.volume == pytest.approx(first.volume, rel=0.01)
        assert second.area == pytest.approx(first.area, rel=0.01)


def test_the_smoothed_surface_turns_with_the_occupancy():
    occupancy = lumps(1, 16)
    middle = np.array([SIDE / 2, SIDE / 2, 0])
    plain, _ = occupancy_mesh(occupancy, SIDE, smooth=True)
    there, _ = occupancy_mesh(np.rot90(occupancy, 1, (0, 1)), SIDE, smooth=True)
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    expected = (plain - middle) @ turn.T + middle
    assert max(farthest(there, expected), farthest(expected, there)) < 1e-6


def test_what_reaches_the_walls_is_closed_there():
    mesh = trimesh.Trimesh(*occupancy_mesh(np.ones((8, 8, 8)), SIDE), process=False)
    assert mesh.is_watertight
    assert mesh.bounds == pytest.approx(np.array([[0.0] * 3, [SIDE] * 3]), abs=1e-9)


def test_nothing_filled_is_no_surface():
    vertices, faces = occupancy_mesh(np.full((8, 8, 8), 0.4), SIDE)
    assert vertices.shape == (0, 3)
    assert faces.shape == (0, 3)
    shape = SceneMesh.of(np.zeros((8, 8, 8), np.float32), SIDE)
    assert shape.reason == "empty_workspace"


@pytest.mark.parametrize("ending", ["ply", "stl", "obj", "off", "glb"])
def test_it_is_written_in_the_format_of_its_ending(tmp_path, ending):
    shape = SceneMesh.of(sphere(16).astype(np.float32), SIDE)
    path = shape.save(tmp_path / f"scene.{ending}")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    back = trimesh.load(path, force="mesh")
    assert back.volume == pytest.approx(shape.to_trimesh().volume, rel=1e-3)


def test_what_cannot_be_written_is_told(tmp_path):
    shape = SceneMesh.of(sphere(16).astype(np.float32), SIDE)
    with pytest.raises(ValueError, match=r"'scene.docx' has no known ending; use .ply"):
        shape.save(tmp_path / "scene.docx")
    with pytest.raises(ValueError, match=r"no surface to save \(empty_depth\)"):
        SceneMesh.none("empty_depth").save(tmp_path / "scene.ply")
    assert not list(tmp_path.iterdir())
