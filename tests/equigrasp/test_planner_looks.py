"""Plans that check hands against what was seen."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from equigrasp.detection import DetectionConfig
from equigrasp.geometry.transforms import make_transform
from equigrasp.perception.camera import (
    DEFAULT_INTRINSICS,
    fixed_view,
    pixel_rays,
    random_view,
    view_on_sphere,
)
from equigrasp.perception.noise import apply_noise
from equigrasp.perception.rectify import table_depth
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.planner import GraspPlanner
from equigrasp.testing import turn_grid, turn_matrix

LOOSE = DetectionConfig(quality_threshold=0.03, quality_floor=0.02, min_points_between=0)
STRICT = replace(LOOSE, clearance=0.0, unseen="careful", min_points_between=3)


def test_each_check_takes_away_and_counts(camera, depth_image, blob_planner):
    view = (depth_image(), camera, fixed_view())
    plain = blob_planner(LOOSE).plan(*view)
    everything = {tuple(g.position) for g in plain.grasps}
    assert not set(plain.dropped) & {"clearance", "unseen", "nothing_between"}
    for reason, change in {
        "clearance": {"clearance": 0.0},
        "unseen": {"unseen": "blocked"},
        "nothing_between": {"min_points_between": 30},
    }.items():
        found = blob_planner(replace(LOOSE, **change)).plan(*view)
        left = {tuple(g.position) for g in found.grasps}
        assert left <= everything
        assert len(everything) - len(left) == found.dropped[reason] > 0


def test_stricter_ways_to_see_the_unseen_leave_fewer(camera, depth_image, blob_planner):
    view = (depth_image(), camera, fixed_view())
    counts = [
        len(blob_planner(replace(LOOSE, unseen=way)).plan(*view).grasps)
        for way in ("free", "careful", "blocked")
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[2]


def test_hands_that_close_on_nothing_are_not_proposed(camera, depth_image, blob_planner):
    """A bare table that is not told from objects: tips end above it, and nothing is between."""
    depth = torch.from_numpy(depth_image(shapes=[]))
    tsdf = fuse_tsdf(depth, camera, fixed_view(), encoding="full")
    assert blob_planner(LOOSE).plan_tsdf(tsdf).grasps
    careful = blob_planner(replace(LOOSE, min_points_between=3)).plan_tsdf(tsdf)
    assert (careful.grasps, careful.reason) == ([], "no_grasp")
    assert careful.dropped["nothing_between"] > 0


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_looking_commutes_with_turns(turns, camera, depth_image, blob_planner, assert_same_set):
    R = turn_matrix(turns).numpy()
    middle = np.array([0.15, 0.15, 0.0])
    T = make_transform(R, middle - R @ middle)
    pose = random_view(np.random.default_rng(0))
    tsdf = fuse_tsdf(torch.from_numpy(depth_image(pose)), camera, pose, encoding="full")
    plain = blob_planner(STRICT).plan_tsdf(tsdf, level=True)
    turned = blob_planner(STRICT).plan_tsdf(turn_grid(tsdf, turns), level=True)
    assert_same_set([g.transformed(T) for g in plain.grasps], turned.grasps, 1e-4)
    assert plain.dropped == turned.dropped
    assert sum(plain.dropped.get(r, 0) for r in ("clearance", "unseen", "nothing_between")) > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clearance": -0.01}, "clearance"),
        ({"unseen": "maybe"}, "free, careful, blocked"),
        ({"min_points_between": -1}, "min_points_between"),
    ],
)
def test_checks_that_make_no_sense_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        DetectionConfig(**change)


@pytest.mark.parametrize("noise", ["none", "gamma"])
def test_a_hole_in_the_depth_of_a_bare_table_is_no_object(noise):
    """Seen from above, round, 5 cm wide: the network alone calls it a grasp of 0.8."""
    pose = view_on_sphere(0.6, np.radians(25), -np.pi / 2, (0.15, 0.15, 0.1))
    depth = np.nan_to_num(table_depth(DEFAULT_INTRINSICS, pose, margin=0.5), nan=2.0)
    points = (pixel_rays(DEFAULT_INTRINSICS) * depth[..., None]) @ pose[:3, :3].T + pose[:3, 3]
    depth[np.hypot(points[..., 0] - 0.16, points[..., 1] - 0.14) < 0.025] = 0.0
    seen = apply_noise(depth.astype(np.float32), noise, np.random.default_rng(0))
    margin = DetectionConfig(table_margin=0.01)  # noise lifts the table by more than 4 mm
    planner = GraspPlanner.from_pretrained("equigiga_pile", detection=margin)
    result = planner.plan(seen, DEFAULT_INTRINSICS, pose)
    assert result.grasps == []
    assert result.reason in ("no_grasp", "empty_workspace")
