"""The planner from a depth image to ranked grasps."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from equigrasp import build_model
from equigrasp.data.synthetic import Primitive
from equigrasp.detection import WIDTH_RESERVE
from equigrasp.hand import PANDA
from equigrasp.perception.camera import fixed_view, random_view
from equigrasp.plan_result import STAGES
from equigrasp.planner import GraspPlanner
from equigrasp.workspace import WORKSPACE, Workspace


def test_result_is_complete_and_ranked(camera, depth_image, blob_planner):
    planner = blob_planner()
    low = planner.detection
    result = planner.plan(depth_image(), camera, fixed_view())
    assert result.reason == "ok"
    scores = [g.score for g in result.grasps]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= low.quality_threshold
    assert set(result.timings) == {*STAGES, "total"}
    assert sum(result.timings[s] for s in STAGES) <= result.timings["total"]
    assert result.table.ok
    assert result.tsdf.shape == (40, 40, 40)
    assert 0 < result.queries < 40**3 / 2
    for grasp in result.grasps:
        assert grasp.position[2] >= 0.05 - 1e-9
        root = grasp.position - 0.05 * grasp.approach
        assert (root[:2] > 0.02 - 0.011).all()
        assert (root[:2] < 0.28 + 0.011).all()
        assert low.width_min <= grasp.width <= 0.07
    assert (result.hand, result.workspace) == (PANDA, WORKSPACE)


def test_planning_happens_in_the_workspace_of_the_model(
    camera, depth_image, blob_model, blob_planner
):
    """All lengths twice as long: the same picture in a cube twice as wide gives the same plan."""
    config = replace(blob_planner().detection, advance=0.0)
    plain = GraspPlanner(blob_model, config).plan(depth_image(), camera, fixed_view())
    double = {
        name: 2 * getattr(config, name)
        for name in ("smoothing", "reach", "border", "table_margin", "max_retreat")
    }
    # A window of 11 steps of 7.5 mm is one of 5 voxels of 15 mm.
    wide = replace(config, nms_window=11, **double)
    model = copy.copy(blob_model)
    model.workspace, model.query_setback = Workspace(side=0.6, table_height=0.1), 0.1
    pose = fixed_view()
    pose[:3, 3] *= 2
    result = GraspPlanner(model, wide).plan(2 * depth_image(), camera, pose)
    assert result.workspace == model.workspace
    np.testing.assert_allclose(result.tsdf, plain.tsdf, atol=1e-4)
    assert len(result.grasps) == len(plain.grasps) > 5
    for grasp, other in zip(plain.grasps, result.grasps, strict=True):
        np.testing.assert_allclose(other.position, 2 * grasp.position, atol=1e-3)
        np.testing.assert_allclose(other.rotation, grasp.rotation, atol=1e-3)


def test_the_height_of_the_table_is_the_models_unless_given(blob_model):
    model = copy.copy(blob_model)
    model.workspace = Workspace(table_height=0.08)
    assert GraspPlanner(model).table_height == 0.08
    given = GraspPlanner(model, table_height=-0.02)
    assert given.table_height == given.workspace.table_height == -0.02
    assert GraspPlanner(model, table_height=None).table_height is None


def test_the_hand_of_the_model_decides_how_wide_a_grasp_may_be(
    camera, depth_image, blob_model, blob_planner
):
    config = blob_planner().detection
    widths = {}
    for opening in (0.08, 0.04):
        model = copy.copy(blob_model)
        model.hand = replace(PANDA, name="other", opening=opening)
        result = GraspPlanner(model, config).plan(depth_image(), camera, fixed_view())
        assert result.hand == model.hand
        widths[opening] = [grasp.width for grasp in result.grasps]
    assert 0.04 < max(widths[0.08]) < 0.07
    assert 0 < max(widths[0.04]) <= 0.04 - WIDTH_RESERVE
    assert len(widths[0.04]) < len(widths[0.08])


def test_max_grasps_cuts_the_list(camera, depth_image, blob_planner):
    planner = blob_planner()
    full = planner.plan(depth_image(), camera, fixed_view()).grasps
    few = planner.plan(depth_image(), camera, fixed_view(), max_grasps=2).grasps
    assert len(full) > len(few) == 2
    np.testing.assert_array_equal(few[1].T_world_grasp, full[1].T_world_grasp)
    with pytest.raises(ValueError, match="max_grasps"):
        planner.plan(depth_image(), camera, fixed_view(), max_grasps=0)


def test_force_returns_the_best_grasp_below_the_threshold_and_only_that(
    camera, depth_image, blob_planner
):
    high = replace(blob_planner().detection, quality_threshold=1.0)
    result = blob_planner(high).plan(depth_image(), camera, fixed_view())
    assert result.reason == "forced"
    best = blob_planner().plan(depth_image(), camera, fixed_view()).grasps[0]
    assert len(result.grasps) == 1
    np.testing.assert_array_equal(result.grasps[0].T_world_grasp, best.T_world_grasp)
    for other in (
        replace(blob_planner().detection, quality_threshold=1.0, force=False),
        replace(blob_planner().detection, quality_threshold=1.0, quality_floor=1.0),
    ):
        found = blob_planner(other).plan(depth_image(), camera, fixed_view())
        assert (found.grasps, found.reason) == ([], "no_grasp")


def test_several_views_are_fused_in_any_order(camera, depth_image, blob_planner):
    rng = np.random.default_rng(0)
    poses = np.stack([fixed_view(), random_view(rng), random_view(rng)])
    depth = np.stack([depth_image(T) for T in poses])
    planner = blob_planner()
    three = planner.plan(depth, camera, poses)
    assert len(three.tables) == 3
    other = planner.plan(depth[::-1], camera, poses[::-1])
    np.testing.assert_allclose(three.tsdf, other.tsdf, atol=1e-6)
    one = planner.plan(depth[:1], camera, poses[:1])
    np.testing.assert_array_equal(one.tsdf, planner.plan(depth[0], camera, poses[0]).tsdf)
    assert (three.tsdf > 0).sum() > (one.tsdf > 0).sum()


def test_rectification_undoes_a_wrong_depth_scale(camera, depth_image, blob_planner):
    depth, pose = depth_image(), fixed_view()
    truth = blob_planner().plan(depth, camera, pose)
    scaled = (1.05 * depth).astype(np.float32)
    with_it = blob_planner().plan(scaled, camera, pose)
    without = blob_planner(rectify_table=False).plan(scaled, camera, pose)
    assert with_it.table.scale == pytest.approx(1.05, abs=3e-4)
    assert without.table is None
    assert np.abs(with_it.tsdf - truth.tsdf).mean() < 1e-3
    assert np.abs(without.tsdf - truth.tsdf).mean() > 1e-2


def test_without_a_known_table_everything_counts_as_surface(camera, depth_image, blob_planner):
    planner = blob_planner(table_height=None)
    result = planner.plan(depth_image(shapes=[]), camera, fixed_view())
    assert result.table is None
    assert result.queries > 0


def test_an_object_outside_the_cube_changes_nothing(camera, depth_image, blob_planner):
    planner = blob_planner(rectify_table=False)
    far = Primitive(np.array([0.15, 0.48, 0.12]), np.array([0.05, 0.02, 0.07]))
    plain = planner.plan(depth_image(), camera, fixed_view())
    crowded_depth = depth_image(beside=[far])
    assert (crowded_depth != depth_image()).any()
    crowded = planner.plan(crowded_depth, camera, fixed_view())
    np.testing.assert_array_equal(crowded.tsdf, plain.tsdf)


def test_a_finer_lattice_keeps_the_networks_resolution(camera, depth_image, blob_planner):
    # The tip then lies exactly 50 mm ahead of a lattice point.
    fine = replace(blob_planner().detection, lattice=60, advance=0.0, max_retreat=0.0)
    planner = blob_planner(fine)
    result = planner.plan(depth_image(), camera, fixed_view())
    coarse = blob_planner().plan(depth_image(), camera, fixed_view())
    assert result.tsdf.shape == (40, 40, 40)
    assert result.queries > 2.5 * coarse.queries
    root = result.grasps[0].position - 0.05 * result.grasps[0].approach
    step = root / 0.005 - 0.5
    np.testing.assert_allclose(step, np.round(step), atol=1e-3)
    with pytest.raises(ValueError, match="lattice"):
        planner.plan_tsdf(torch.zeros(40, 40, 40))


def test_from_pretrained_takes_a_saved_model(tmp_path, camera, depth_image):
    from equigrasp import save_model

    save_model(build_model("equigiga", fields=2, head_fields=4), tmp_path / "tiny")
    planner = GraspPlanner.from_pretrained(tmp_path / "tiny", table_height=None)
    assert planner.table_height is None
    assert not planner.rectify_table
    assert planner.plan(depth_image(), camera, fixed_view()).queries > 0
