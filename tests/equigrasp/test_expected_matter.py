"""`unseen="predicted"`: hands keep out of what the occupancy expects behind what is seen."""

import numpy as np
import pytest
import torch

from equigrasp.candidates import Candidates
from equigrasp.clearance import Observed, expecting
from equigrasp.detection import DetectionConfig
from equigrasp.hand import PANDA
from equigrasp.models.base import GraspField
from equigrasp.perception.camera import fixed_view
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.planner import GraspPlanner
from equigrasp.sifting import Surroundings, sift
from equigrasp.testing import turn_grid, turn_matrix
from equigrasp.workspace import WORKSPACE

CONFIG = DetectionConfig(0.0, quality_floor=0.0, min_points_between=0, unseen="predicted")


def hands():
    """Two hands from above that close along y, at two places."""
    tips = torch.tensor([[0.10, 0.15, 0.10], [0.20, 0.15, 0.10]])
    down = torch.diag(torch.tensor([1.0, -1.0, -1.0])).expand(2, 3, 3)
    return Candidates(tips, down, torch.full((2,), 0.04), torch.tensor([0.9, 0.8]))


def around(filled):
    nothing = torch.zeros(0, 3)
    seen = expecting(Observed(nothing, nothing, torch.ones_like(filled)), filled, WORKSPACE)
    return Surroundings(PANDA, WORKSPACE, 0.05, 0.0, (), seen)


def test_a_hand_is_dropped_for_what_is_expected_where_it_goes():
    filled = torch.zeros(40, 40, 40, dtype=torch.bool)
    filled[12:15, 22:26, 12:24] = True  # x 0.09 to 0.11, y 0.165 to 0.195: the first hand's finger
    kept, dropped = sift(hands(), around(filled), CONFIG)
    assert dropped == {"unseen": 1}
    assert kept.score.tolist() == pytest.approx([0.8])
    kept, dropped = sift(hands(), around(torch.zeros_like(filled)), CONFIG)
    assert (len(kept.tips), dropped) == (2, {})


def test_expected_points_are_the_middles_of_voxels():
    filled = torch.zeros(40, 40, 40, dtype=torch.bool)
    filled[0, 1, 39] = True
    nothing = torch.zeros(0, 3)
    seen = expecting(Observed(nothing, nothing, filled), filled, WORKSPACE)
    np.testing.assert_allclose(seen.expected, [[0.00375, 0.01125, 0.29625]], atol=1e-7)


class Expecting:
    """A stand-in that expects everything to be filled up to a height (m)."""

    outputs = ("quality", "rotation", "width", "occupancy")

    def __init__(self, model, height):
        self.model, self.level = model, height / 0.3 - 0.5

    def __getattr__(self, name):
        return getattr(self.model, name)

    def query(self, features, points, outputs=("quality", "rotation", "width")):
        if outputs == ("occupancy",):
            return GraspField(occupancy=(points[..., 2] < self.level).to(points))
        return self.model.query(features, points, outputs)


@pytest.fixture
def planner(blob_model):
    def make(height, unseen="predicted"):
        config = DetectionConfig(0.1, quality_floor=0.05, min_points_between=0, unseen=unseen)
        return GraspPlanner(Expecting(blob_model, height), config)

    return make


def test_plans_turn_with_the_scene_and_keep_out(planner, camera, depth_image, assert_same_set):
    tsdf = fuse_tsdf(torch.from_numpy(depth_image()), camera, fixed_view(), encoding="full")
    plans = [planner(height).plan_tsdf(tsdf, level=True) for height in (0.06, 0.09, 0.12)]
    lost = [plan.dropped.get("unseen", 0) for plan in plans]
    assert lost == sorted(lost)
    assert lost[0] < lost[-1]
    free = planner(0.12, "free").plan_tsdf(tsdf, level=True)
    assert "unseen" not in free.dropped
    middle = next(plan for plan in plans if plan.dropped.get("unseen") and plan.grasps)
    T = np.eye(4)
    T[:3, :3] = turn_matrix(1).numpy()
    T[:3, 3] = np.array([0.15, 0.15, 0]) - T[:3, :3] @ [0.15, 0.15, 0]
    height = (0.06, 0.09, 0.12)[plans.index(middle)]
    turned = planner(height).plan_tsdf(turn_grid(tsdf, 1), level=True)
    assert turned.dropped == middle.dropped
    assert_same_set([grasp.transformed(T) for grasp in middle.grasps], turned.grasps, 1e-4)


def test_from_images_too(planner, camera, depth_image):
    assert planner(0.12).plan(depth_image(), camera, fixed_view()).dropped["unseen"] > 0


def test_a_shipped_model_plans_with_it(camera, depth_image):
    shipped = GraspPlanner.from_pretrained("equigiga_pile", detection=CONFIG)
    assert shipped.plan(depth_image(), camera, fixed_view()).grasps


def test_a_model_without_occupancy_is_refused(camera, depth_image, blob_planner):
    planner = blob_planner(DetectionConfig(0.1, quality_floor=0.05, unseen="predicted"))
    with pytest.raises(ValueError, match="'BlobModel' predicts no occupancy"):
        planner.plan(depth_image(), camera, fixed_view())
