"""Plans turn with the scene, the camera and the workspace."""

import numpy as np
import pytest
import torch

from equigrasp import build_model
from equigrasp.detection import DetectionConfig
from equigrasp.geometry.transforms import inverse_transform, make_transform
from equigrasp.nn.freeze import freeze
from equigrasp.perception.camera import fixed_view, random_view
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.planner import GraspPlanner
from equigrasp.testing import turn_grid, turn_matrix


def turned(grasp, turns):
    """The grasp after turning the workspace about its vertical axis."""
    T = np.eye(4)
    T[:3, :3] = turn_matrix(turns).numpy()
    middle = np.array([0.15, 0.15, 0.0])
    T[:3, 3] = middle - T[:3, :3] @ middle
    return grasp.transformed(T)


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("encoding", ["full", "published"])
def test_planning_commutes_with_turns_for_an_exact_model(
    turns, encoding, camera, depth_image, blob_planner, assert_same_set
):
    rng = np.random.default_rng(turns)
    for _ in range(3):
        pose = random_view(rng)
        tsdf = fuse_tsdf(torch.from_numpy(depth_image(pose)), camera, pose, encoding=encoding)
        planner = blob_planner(encoding=encoding)
        plain = planner.plan_tsdf(tsdf, level=True).grasps
        other = planner.plan_tsdf(turn_grid(tsdf, turns), level=True).grasps
        assert_same_set([turned(g, turns) for g in plain], other, 1e-4)


@pytest.mark.parametrize("encoding", ["full", "published"])
def test_planning_commutes_with_turns_for_equigiga(encoding, camera, depth_image, assert_same_set):
    # In double precision: an untrained head's rotation is ill-conditioned at some peaks.
    model = freeze(build_model("equigiga", encoding=encoding, fields=2, head_fields=4)).double()
    config = DetectionConfig(0.0, quality_floor=0.0, width_min=0.0, min_points_between=0)
    planner = GraspPlanner(model, config, table_height=None)
    pose = fixed_view()
    tsdf = fuse_tsdf(torch.from_numpy(depth_image(pose)), camera, pose, encoding=encoding).double()
    plain = planner.plan_tsdf(tsdf).grasps
    assert len(plain) > 5
    for turns in (1, 2, 3):
        other = planner.plan_tsdf(turn_grid(tsdf, turns)).grasps
        assert_same_set([turned(g, turns) for g in plain], other, 1e-6)


def test_turning_the_camera_with_the_scene_turns_the_best_grasp(camera, depth_image, blob_planner):
    """From the depth image on: only voxels on pixel borders may round differently."""
    planner = blob_planner()
    best = planner.plan(depth_image(), camera, fixed_view()).grasps[0]
    T = np.eye(4)
    T[:3, :3] = turn_matrix(1).numpy()
    T[:3, 3] = np.array([0.15, 0.15, 0]) - T[:3, :3] @ [0.15, 0.15, 0]
    other = planner.plan(depth_image(), camera, T @ fixed_view()).grasps[0]
    np.testing.assert_allclose(other.T_world_grasp, turned(best, 1).T_world_grasp, atol=1e-2)


def test_workspace_elsewhere_in_the_world(camera, depth_image, blob_planner, assert_same_set):
    """Moving world, camera and objects together moves the grasps with them."""
    T = make_transform(turn_matrix(1).numpy(), (1.0, -2.0, 0.3))  # T_world_workspace
    plain = blob_planner().plan(depth_image(), camera, fixed_view())
    moved = blob_planner().plan(
        depth_image(), camera, T @ fixed_view(), T_workspace_world=inverse_transform(T)
    )
    np.testing.assert_allclose(moved.tsdf, plain.tsdf, atol=1e-4)
    assert_same_set([g.transformed(T) for g in plain.grasps], moved.grasps, 1e-3)


@pytest.mark.parametrize("flow", ["so3", "euclidean", "diffusion_ddpm"])
def test_planning_commutes_with_turns_for_a_model_that_draws(
    flow, camera, depth_image, assert_same_set
):
    """With the planner's own noise, several draws a peak, and refined peaks."""
    model = freeze(build_model("equiigd", flow=flow).double())
    tsdf = fuse_tsdf(torch.from_numpy(depth_image()), camera, fixed_view()).double()
    low = {"quality_threshold": 0.01, "quality_floor": 0.01, "width_min": 0.0}
    config = DetectionConfig(**low, num_samples=3, refine_steps=2, min_points_between=0)
    planner = GraspPlanner(model, config)
    still = planner.plan_tsdf(tsdf, level=True)
    assert len(still) > 10
    for turns in (1, 2, 3):
        moved = planner.plan_tsdf(turn_grid(tsdf, turns), level=True)
        assert_same_set([turned(g, turns) for g in still.grasps], moved.grasps, 1e-6)


def test_shipped_weights_that_draw_plan_turned_grasps(camera, depth_image, assert_same_set):
    """In single precision, with everything as it is by default."""
    planner = GraspPlanner.from_pretrained("equiigd_pile")
    tsdf = fuse_tsdf(torch.from_numpy(depth_image()), camera, fixed_view())
    still = planner.plan_tsdf(tsdf, level=True)
    for turns in (1, 2, 3):
        moved = planner.plan_tsdf(turn_grid(tsdf, turns), level=True)
        assert_same_set([turned(g, turns) for g in still.grasps], moved.grasps, 1e-4)
