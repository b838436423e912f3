"""Points of the hand are told by its pose; what lies on the table stays."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from equigrasp.policy.episodes.camera import point_cloud
from equigrasp.policy.episodes.frames import CAMERAS, FrameCamera
from equigrasp.policy.keyframes.clouds import CloudSettings, cloud_of_frame
from equigrasp.policy.keyframes.hand_points import HANDS, NO_HAND, on_hand
from sim.keyframes.demonstrate import demonstrate
from sim.keyframes.environment import TaskEnvironment

REGION = CloudSettings(high=(0.7, 0.5, 0.95), hand="panda", voxel=0.0075, points=10**6)


def test_boxes_move_with_the_tip():
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.3, 0.3, (500, 3))
    still = on_hand(points, [0, 0, 0, 0, 0, 0, 1], "panda")
    assert 0 < still.sum() < 400
    turn = Rotation.random(random_state=0)
    shift = np.array([0.2, -0.4, 1.0])
    pose = [*shift, *turn.as_quat()]
    np.testing.assert_array_equal(on_hand(turn.apply(points) + shift, pose, "panda"), still)
    assert not on_hand(points, pose, NO_HAND).any()


def test_nothing_between_or_before_the_fingertips_is_of_a_hand():
    between = np.random.default_rng(0).uniform((-0.1, -0.1, -0.02), (0.1, 0.1, 0.2), (500, 3))
    for hand in HANDS:
        assert not on_hand(between, [0, 0, 0, 0, 0, 0, 1], hand).any()


@pytest.mark.parametrize("task", ["stack_blocks", "open_drawer", "drag_with_stick"])
def test_most_of_the_arm_goes_and_the_things_stay(task):
    arm, things = np.zeros(2), np.zeros(2)  # of each: dropped, all
    with TaskEnvironment(CAMERAS, image_size=64) as environment:
        shown = demonstrate(environment, task, 0, 3)
        handle = environment.arm.body + 1
    for keyframe in [0, *shown.keypoints[:-1]]:
        frame = shown.frames[keyframe]
        for name, seen in frame.images.items():
            points = point_cloud(seen.depth, FrameCamera.of(frame.state, name)).reshape(-1, 3)
            inside = ((points > REGION.low) & (points < REGION.high)).all(1)
            inside &= points[:, 2] > REGION.table_top
            dropped = on_hand(points[inside], frame.state.gripper_pose, REGION.hand)
            own = (seen.mask.reshape(-1)[inside] & 0xFFFFFF) == handle
            arm += dropped[own].sum(), own.sum()
            things += dropped[~own].sum(), (~own).sum()
    assert arm[0] > 0.7 * arm[1] > 500
    assert things[0] < 0.01 * things[1]


def test_a_cloud_without_the_hand_is_smaller_and_needs_the_tip():
    with TaskEnvironment(CAMERAS, image_size=64) as environment:
        frame = environment.reset("lid_on_jar", 0, 1)
    whole = cloud_of_frame(
        frame, CloudSettings(**{**vars(REGION), "high": (0.7, 0.5, 1.5), "hand": NO_HAND})
    )
    without = cloud_of_frame(frame, CloudSettings(**{**vars(REGION), "high": (0.7, 0.5, 1.5)}))
    assert 50 < len(without.xyz) < len(whole.xyz) - 50
    assert not on_hand(without.xyz, frame.state.gripper_pose, "panda").any()
    with pytest.raises(ValueError, match="'robotiq'; give one of none, panda"):
        CloudSettings(hand="robotiq")
    assert CloudSettings.of(REGION.told()) == REGION
    assert "hand" not in CloudSettings().told()
