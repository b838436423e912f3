"""Plans without a grasp say what is the matter: each case by a scene that is one."""

import numpy as np
import pytest

from equigrasp import plan_anywhere
from equigrasp.data.synthetic import Primitive, render_primitives
from equigrasp.detection import DetectionConfig
from equigrasp.hollow import in_view
from equigrasp.perception.camera import Intrinsics, fixed_view
from equigrasp.plan_result import DROPS, HOLLOW
from equigrasp.planner import GraspPlanner
from equigrasp.testing import turn_matrix
from equigrasp.views import check_views
from equigrasp.workspace import WORKSPACE

STRICT = DetectionConfig(quality_threshold=1.0, quality_floor=1.0, force=False)


def wide(half):
    """A crate that wide from its middle, (m)."""
    return Primitive(np.array([0.15, 0.15, 0.09]), np.array([half, half, 0.04]), 0.3)


def look(shapes, camera, pose=None):
    pose = fixed_view() if pose is None else pose
    return render_primitives(shapes, camera, pose), camera, pose


def test_nothing_seen(blob_planner, camera, depth_image):
    result = blob_planner().plan(np.zeros_like(depth_image()), camera, fixed_view())
    assert (result.reason, result.hollow) == ("empty_depth", "nothing_seen")


def test_a_table_and_no_more(blob_planner, camera):
    result = blob_planner().plan(*look([], camera))
    assert (result.reason, result.hollow) == ("empty_workspace", "table_only")
    assert "readings in the cube are those of the table" in result.detail


def test_the_cube_is_out_of_view(blob_planner, camera, depth_image):
    aside = fixed_view()
    aside[:3, 3] += (3.0, 0.0, 0.0)
    planner = blob_planner(rectify_table=False)
    result = planner.plan(depth_image(), camera, aside)
    assert (result.reason, result.hollow) == ("empty_workspace", "out_of_view")
    assert "no camera looks at the cube (0% of it is in view); 90 % of" in result.detail


def test_readings_lie_elsewhere(blob_planner, camera):
    """A board in front of the camera: the cube is in view, nothing in it is seen."""
    board = np.full((camera.height, camera.width), 0.1, np.float32)
    result = blob_planner(rectify_table=False).plan(board, camera, fixed_view())
    assert (result.reason, result.hollow) == ("empty_workspace", "elsewhere")


@pytest.mark.parametrize(("half", "case"), [(0.06, "too_wide"), (0.03, "")])
def test_a_thing_too_wide_for_the_hand(blob_planner, camera, half, case):
    planner = blob_planner(STRICT, gain=0.1)
    result = planner.plan(*look([wide(half)], camera))
    assert (result.reason, result.hollow, len(result)) == ("no_grasp", case, 0)
    if case:
        assert case in HOLLOW
        told = float(result.detail.split("at least ")[1].split(" mm")[0])
        assert 80 < told <= 121  # what is seen is no wider than the thing
        assert "the hand 'panda' takes 78 mm" in result.detail


def test_a_shipped_network_and_a_crate_wider_than_the_hand(camera):
    planner = GraspPlanner.from_pretrained("equigiga_pile", detection=DetectionConfig(force=False))
    result = planner.plan(*look([wide(0.07)], camera))
    assert (result.reason, result.hollow) == ("no_grasp", "too_wide")


def test_what_was_dropped_is_told_where_nothing_is_left(blob_planner, camera, depth_image):
    config = DetectionConfig(quality_threshold=0.1, quality_floor=0.05, width_max=0.011)
    result = blob_planner(config).plan(depth_image(), camera, fixed_view())
    assert len(result) == 0
    assert result.dropped["width"] > 0
    assert f"{result.dropped['width']} ({DROPS['width']})" in result.detail


def test_the_share_of_the_cube_in_view_turns_with_the_camera(camera):
    small = Intrinsics(80, 80, 270.0, 270.0, 40.0, 40.0)
    middle = np.eye(4)
    middle[:3, 3] = 0.15, 0.15, 0.0
    turn = np.eye(4)
    turn[:3, :3] = turn_matrix(1).numpy()
    shares = []
    for pose in (fixed_view(), middle @ turn @ np.linalg.inv(middle) @ fixed_view()):
        views = check_views(np.ones((80, 80), np.float32), small, pose)
        shares.append(in_view(views, WORKSPACE))
    assert 0.02 < shares[0] < 0.9
    assert shares[0] == shares[1]


def test_anywhere_says_it_too(blob_planner, camera):
    depth, _, _ = look([], camera)
    result = plan_anywhere(blob_planner(), depth, camera)
    assert (result.reason, result.hollow) == ("empty_workspace", "table_only")
    crate, _, _ = look([wide(0.06)], camera)
    result = plan_anywhere(blob_planner(STRICT, gain=0.1), crate, camera)
    assert (result.reason, result.hollow) == ("no_grasp", "too_wide")
    nothing = plan_anywhere(blob_planner(), np.zeros_like(depth), camera)
    assert nothing.hollow == "nothing_seen"
