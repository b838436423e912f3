"""Plans from clouds beside plans from the images they came from; files of clouds."""

import numpy as np
import pytest
import trimesh

from equigrasp.clouds import plan_points, read_cloud
from equigrasp.perception.camera import depth_to_points, fixed_view, view_on_sphere
from equigrasp.planner import GraspPlanner
from equigrasp.wanted import Wanted


@pytest.fixture(scope="module")
def planner():
    return GraspPlanner.from_pretrained("equigiga_pile")


@pytest.fixture(scope="module")
def seen(camera, depth_image):
    """Two poses, and the cloud of each."""
    poses = [fixed_view(), view_on_sphere(0.5, 0.6, 0.8, (0.15, 0.15, 0.1))]
    return [
        (pose, depth_to_points(depth_image(pose), camera, pose, max_depth=1.9)) for pose in poses
    ]


def test_the_best_grasps_are_about_those_of_the_image(planner, camera, depth_image, seen):
    pose, points = seen[0]
    image = planner.plan(depth_image(pose), camera, pose)
    cloud = plan_points(planner, np.random.default_rng(0).permutation(points), pose[:3, 3])
    assert cloud.reason == image.reason == "ok"
    away = np.linalg.norm(cloud.poses[:, None, :3, 3] - image.poses[:, :3, 3], axis=-1)
    assert (away.min(1) < 0.02).mean() > 0.6
    assert cloud.scores[0] == pytest.approx(image.scores[0], abs=0.1)


def test_several_clouds_are_one_scene(planner, camera, depth_image, seen):
    poses = np.stack([pose for pose, _ in seen])
    image = planner.plan(np.stack([depth_image(pose) for pose in poses]), camera, poses)
    cloud = plan_points(planner, [points for _, points in seen], poses[:, :3, 3])
    assert abs(cloud.tsdf - image.tsdf).mean() < 0.02
    region = ((0, 0, 0), (0.15, 0.3, 0.3))
    some = plan_points(planner, seen[0][1], poses[0, :3, 3], wanted=Wanted(region=region))
    assert some.grasps
    assert (some.poses[:, 0, 3] <= 0.15).all()
    with pytest.raises(ValueError, match="2 clouds and 3 view points"):
        plan_points(planner, [seen[0][1]] * 2, np.zeros((3, 3)))
    with pytest.raises(ValueError, match="no masks"):
        plan_points(planner, seen[0][1], poses[0, :3, 3], mask=None)


def test_files_are_read(tmp_path, seen):
    import open3d

    points = seen[0][1][::50]
    np.save(tmp_path / "cloud.npy", np.column_stack([points, points]).astype(np.float32))
    trimesh.PointCloud(points).export(tmp_path / "cloud.ply")
    stored = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points))
    open3d.io.write_point_cloud(str(tmp_path / "cloud.pcd"), stored)
    for suffix in ("npy", "ply", "pcd"):
        np.testing.assert_allclose(read_cloud(tmp_path / f"cloud.{suffix}"), points, atol=1e-6)


@pytest.mark.parametrize("suffix", [".npy", ".ply", ".pcd", ".xyz"])
def test_what_is_no_cloud_is_named(tmp_path, suffix):
    path = tmp_path / f"it{suffix}"
    with pytest.raises(FileNotFoundError, match="it" + suffix):
        read_cloud(path)
    path.write_bytes(b"ply\xff nothing of that kind")
    with pytest.raises(ValueError, match="it" + suffix):
        read_cloud(path)


def test_pickles_are_not_opened(tmp_path):
    np.save(tmp_path / "it.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="no array of numpy"):
        read_cloud(tmp_path / "it.npy")
