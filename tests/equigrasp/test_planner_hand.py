"""Plans for a hand that is not the one the model learned from."""

from dataclasses import replace

import numpy as np
import pytest

from equigrasp.anywhere import plan_anywhere
from equigrasp.calibration import Calibration
from equigrasp.detection import DetectionConfig
from equigrasp.exchange import to_isaac_grasp, to_json
from equigrasp.grasp_arrays import poses
from equigrasp.hand import PANDA, load_hand
from equigrasp.home import CONFIGS
from equigrasp.perception.camera import fixed_view
from equigrasp.planner import GraspPlanner
from equigrasp.robot_goals import to_curobo, to_moveit

LOOSE = DetectionConfig(quality_threshold=0.03, quality_floor=0.02, min_points_between=0)
BROAD = replace(PANDA, name="broad", palm_box=((-0.2, -0.2, -0.2), (0.2, 0.2, -0.01)))


@pytest.fixture
def view(camera, depth_image):
    return depth_image(), camera, fixed_view()


def test_what_opens_less_is_offered_narrower_grasps_alone(view, blob_planner):
    own = blob_planner(LOOSE).plan(*view)
    middle = float(np.median(own.widths))
    narrow = replace(PANDA, name="narrow", opening=middle + 0.002)
    found = blob_planner(LOOSE, hand=narrow).plan(*view)
    assert 0 < len(found) < len(own)
    assert max(found.widths) <= middle + 1e-9
    assert found.dropped["width"] > own.dropped.get("width", 0)
    assert found.hand == narrow


def test_its_palm_is_what_has_to_find_room(view, blob_planner):
    strict = replace(LOOSE, clearance=0.0)
    own = blob_planner(strict).plan(*view)
    broad = blob_planner(strict, hand=BROAD).plan(*view)
    assert broad.dropped["clearance"] > own.dropped.get("clearance", 0)
    assert len(broad) < len(own)


def test_it_changes_nothing_that_was_predicted(view, blob_planner):
    """The same opening and another palm, which nobody asks about: the same grasps and scores."""
    planners = (blob_planner(LOOSE, hand=hand) for hand in (None, BROAD))
    first, second = (planner.plan(*view) for planner in planners)
    np.testing.assert_array_equal(first.poses, second.poses)
    np.testing.assert_array_equal(first.scores, second.scores)


def test_calibrated_scores_are_those_of_the_hand_that_was_learned_from(view, blob_planner):
    scores = []
    for hand in (None, replace(PANDA, name="wide", opening=0.12)):
        planner = blob_planner(LOOSE, hand=hand)
        planner.model.calibration = Calibration(pose={"width": 2.0})
        found = planner.plan(*view)
        scores.append({tuple(g.position): g.score for g in found})
    own, wide = scores
    assert own
    assert {place: wide[place] for place in own} == own


def test_a_name_or_a_file_will_do(view, tmp_path):
    file = tmp_path / "mine.yaml"
    shipped = (CONFIGS / "hand" / "robotiq_2f85.yaml").read_text()
    file.write_text(shipped.replace("name: robotiq_2f85", "name: mine"))
    for given, name in (("robotiq_2f85", "robotiq_2f85"), (file, "mine"), (str(file), "mine")):
        planner = GraspPlanner.from_pretrained("equigiga_pile", hand=given)
        assert (planner.hand.name, planner.model.hand.name) == (name, "panda")


def test_what_leaves_for_robots_is_of_the_plans_own_hand(view, blob_planner):
    hand = load_hand("robotiq_2f85")
    plans = (
        blob_planner(LOOSE, hand=hand).plan(*view),
        plan_anywhere(blob_planner(LOOSE, hand=hand), *view),
    )
    for plan in plans:
        assert plan
        assert plan.hand == hand
        bases = np.array([grasp.to("base", hand) for grasp in plan])
        np.testing.assert_array_equal(poses(plan, "base"), bases)
        np.testing.assert_array_equal(to_curobo(plan)["position"], bases[:, :3, 3])
        assert to_json(plan)["hand"] == "robotiq_2f85"
        opened = to_moveit(plan, "world")[0]["pre_grasp_posture"]["points"][0]["positions"]
        assert opened == [hand.opening / 2] * 2
        first = to_isaac_grasp(plan)["grasps"]["grasp_0"]
        np.testing.assert_allclose(first["position"], bases[0, :3, 3])
        told = poses(plan, "base", PANDA)  # who names another means it
        assert np.abs(told - bases).max() > 0.03


def test_it_holds_without_a_pose_too(view, blob_planner):
    narrow = replace(PANDA, name="narrow", opening=0.03)
    found = plan_anywhere(blob_planner(LOOSE, hand=narrow), *view)
    assert all(grasp.width <= 0.03 for grasp in found)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("no_such", "no hand is called"),
        (3, "hand is 3"),
        ({}, "give a Hand"),
        ("x.yaml", "no file"),
    ],
)
def test_what_is_no_hand_is_refused(given, says, blob_planner):
    with pytest.raises(ValueError, match=says):
        blob_planner(hand=given)


def test_a_width_beyond_it_is_refused(blob_planner):
    config = replace(LOOSE, width_max=0.07)
    with pytest.raises(ValueError, match="opens to 0.05"):
        blob_planner(config, hand=replace(PANDA, name="small", opening=0.05))
