"""What the planner makes of empty, spoilt and implausible input."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from equigrasp.perception.camera import fixed_view
from equigrasp.plan_result import REASONS
from equigrasp.planner import PlanningError


@pytest.mark.parametrize(
    ("look", "gain", "reason"),
    [
        (lambda scene: np.full_like(scene(), np.nan), 1.0, "empty_depth"),
        (lambda scene: scene(shapes=[]), 1.0, "empty_workspace"),
        (lambda scene: np.full_like(scene(), 2.0), 1.0, "empty_workspace"),
        (lambda scene: scene(), 0.0, "no_grasp"),
    ],
    ids=["no reading", "bare table", "nothing", "no quality"],
)
def test_empty_scenes_give_an_empty_result_with_the_reason(
    look, gain, reason, camera, depth_image, blob_planner
):
    depth, planner = look(depth_image), blob_planner(gain=gain)
    result = planner.plan(depth, camera, fixed_view())
    assert result.grasps == []
    assert result.reason == reason
    assert result.tsdf.shape == (40, 40, 40)
    with pytest.raises(PlanningError, match=REASONS[reason][:20]):
        planner.plan(depth, camera, fixed_view(), strict=True)


def test_pixels_without_a_reading_are_like_zero(camera, depth_image, blob_planner, assert_same_set):
    holes = np.random.default_rng(0).random((240, 320)) < 0.3
    results = []
    for value in (0.0, np.nan, np.inf):
        depth = depth_image()
        depth[holes] = value
        results.append(blob_planner().plan(depth, camera, fixed_view()))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].tsdf, other.tsdf)
        assert_same_set(results[0].grasps, other.grasps, 1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": lambda depth: (1000 * depth).astype(np.uint16)}, "uint16"),
        ({"depth": lambda depth: 1000 * depth}, "millimetres"),
        ({"depth": lambda depth: depth[:-1]}, "belong together"),
        ({"T": lambda T: 2 * np.eye(4)}, "T_world_camera"),
        ({"T": lambda T: np.stack([T] * 2)}, r"\(V, 4, 4\)"),
        ({"intrinsics": lambda camera: replace(camera, cx=500.0)}, "principal"),
    ],
)
def test_implausible_input_is_refused_with_the_cause(
    change, message, camera, depth_image, blob_planner
):
    arguments = {"depth": depth_image(), "intrinsics": camera, "T": fixed_view()}
    for name, changed in change.items():
        arguments[name] = changed(arguments[name])
    with pytest.raises(ValueError, match=message):
        blob_planner().plan(*arguments.values())


def test_a_model_of_unknown_encoding_is_refused(blob_planner):
    with pytest.raises(ValueError, match="giga"):
        blob_planner(encoding="giga")


def test_a_volume_of_another_size_is_refused(blob_planner):
    with pytest.raises(ValueError, match="60"):
        blob_planner().plan_tsdf(torch.zeros(60, 60, 60))
