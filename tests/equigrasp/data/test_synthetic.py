"""The made-up scenes agree with independent geometry."""

import numpy as np
import open3d

from equigrasp.data.scene_files import read_scene, write_scene
from equigrasp.data.synthetic import (
    Primitive,
    random_primitives,
    render_primitives,
    synthetic_scene,
)
from equigrasp.perception.camera import Intrinsics, depth_to_points, random_view
from equigrasp.workspace import WORKSPACE


def _open3d_distance(shape, points):
    mesh = open3d.geometry.TriangleMesh.create_box(*2 * shape.half)
    mesh.translate(-shape.half)
    mesh.rotate(shape.rotation, center=(0, 0, 0))
    mesh.translate(shape.centre)
    scene = open3d.t.geometry.RaycastingScene()
    scene.add_triangles(open3d.t.geometry.TriangleMesh.from_legacy(mesh))
    return scene.compute_distance(points.astype(np.float32)).numpy()


def test_rendered_points_lie_on_the_surfaces():
    rng = np.random.default_rng(0)
    camera = Intrinsics(96, 72, 81.0, 81.0, 48.0, 36.0)
    for _ in range(5):
        shapes = random_primitives(rng)
        pose = random_view(rng)
        depth = render_primitives(shapes, camera, pose)
        points = depth_to_points(depth, camera, pose, max_depth=1.9)
        gaps = [np.abs(points[:, 2] - WORKSPACE.table_height)]
        for shape in shapes:
            if shape.box:
                gaps.append(_open3d_distance(shape, points))
            else:
                radius = np.linalg.norm(points - shape.centre, axis=1)
                gaps.append(np.abs(radius - shape.half[0]))
        assert np.min(gaps, 0).max() < 1e-5
        on_objects = np.min(gaps[1:], 0) < 1e-5
        assert on_objects.sum() > 50


def test_containment_of_a_turned_box():
    shape = Primitive(np.array([0.1, 0.1, 0.1]), np.array([0.03, 0.01, 0.02]), yaw=np.pi / 2)
    assert shape.contains(np.array([0.1, 0.125, 0.1]))
    assert not shape.contains(np.array([0.125, 0.1, 0.1]))


def test_scene_records_hold_together_and_have_both_labels(tmp_path):
    records = [synthetic_scene(seed) for seed in range(10)]
    write_scene(tmp_path / "scene.npz", records[4])
    np.testing.assert_allclose(
        read_scene(tmp_path / "scene.npz").depth, records[4].depth, atol=2.6e-5
    )
    success = np.concatenate([record.yaw_success.any(1) for record in records])
    assert 0.05 < success.mean() < 0.6
    for record in records:
        assert (record.grasp_position[record.yaw_success.any(1)] > 0).all()
        assert (record.occ_points <= WORKSPACE.side + 0.1).all()
        assert record.occ.any()
        assert not record.occ.all()
    again = synthetic_scene(3)
    np.testing.assert_array_equal(again.depth, records[3].depth)
