"""Ways of the arm between poses."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from equigrasp.geometry.transforms import make_transform
from sim.keyframes.motion import (
    FRAMES_PER_MOVE,
    LARGEST_JUMP,
    VIA_HEIGHT,
    UnreachableError,
    move_tip,
    path_over_the_top,
    poses_between,
    straight_path,
)
from sim.stage.arm import HOME, Arm
from sim.stage.stage import TABLE_TOP, Stage
from sim.stage.task import down


@pytest.fixture
def arm():
    with Stage() as stage:
        yield Arm(stage)


def test_the_way_is_straight_even_and_ends_where_it_shall(arm):
    start, target = arm.tip, down(0.3, 0.2, 0.05, 0.7)
    seen = []
    move_tip(arm, target, lambda: seen.append((arm.tip, arm.velocities)))
    np.testing.assert_allclose(arm.tip[:3, 3], target[:3, 3], atol=1e-3)
    error = Rotation.from_matrix(target[:3, :3].T @ arm.tip[:3, :3]).magnitude()
    assert error < 0.01
    along = target[:3, 3] - start[:3, 3]
    along /= np.linalg.norm(along)
    assert len(seen) >= FRAMES_PER_MOVE
    for tip, speed in seen:
        aside = np.cross(tip[:3, 3] - start[:3, 3], along)
        assert np.linalg.norm(aside) < 0.01
        assert np.abs(speed).max() > 0.1


@pytest.mark.parametrize("angle", [0.01, 1.0, np.pi - 0.01])
def test_poses_between_are_even(angle):
    end = make_transform(Rotation.from_euler("z", angle).as_matrix(), [0.1, 0, 0])
    poses = list(poses_between(np.eye(4), end))
    np.testing.assert_allclose(poses[-1], end, atol=1e-12)
    turns = [Rotation.from_matrix(p[:3, :3]).magnitude() for p in poses]
    np.testing.assert_allclose(np.diff([0, *turns]), angle / len(poses), atol=1e-9)
    steps = np.diff([[0, 0, 0], *(p[:3, 3] for p in poses)], axis=0)
    np.testing.assert_allclose(steps[:, 0], 0.1 / len(poses), atol=1e-12)


def test_where_the_line_is_barred_the_arm_goes_over_the_top(arm):
    move_tip(arm, down(-0.25, 0.45, 0.2, 1.5))
    target = down(-0.25, -0.45, 0.2, -1.5)
    assert straight_path(arm, target) is None  # it leads through the arm's own base
    assert path_over_the_top(arm, target) is not None
    heights = []
    move_tip(arm, target, lambda: heights.append(arm.tip[2, 3]))
    np.testing.assert_allclose(arm.tip[:3, 3], target[:3, 3], atol=2e-3)
    assert max(heights) > TABLE_TOP + 0.3


def test_over_the_top_is_straight_up_and_straight_down(arm):
    move_tip(arm, down(-0.25, 0.45, 0.2, 1.5))
    start, target = arm.tip, down(-0.25, -0.45, 0.2, -1.5)
    path = path_over_the_top(arm, target)
    tips = []
    for joints in path:
        arm.place(joints)
        tips.append(arm.tip[:3, 3])
    tips = np.array(tips)
    aside = [np.linalg.norm(tips[:, :2] - end[:2, 3], axis=1) for end in (start, target)]
    top = tips[:, 2].max()
    assert top > start[2, 3] + VIA_HEIGHT - 1e-3
    low = tips[:, 2] < start[2, 3] + VIA_HEIGHT - 2e-3
    assert np.minimum(*aside)[low].max() < 2e-3
    assert aside[0][0] < 2e-3
    assert aside[1][-1] < 2e-3


def test_a_line_goes_on_where_joints_end_and_others_can_turn(arm):
    """The wrist comes to its stop on the way; the elbow gives way."""
    first, last = down(0.2, 0.1, 0.1, -1.4), down(0.2, 0.1, 0.1, -2.4)
    arm.place(arm.solve(first, HOME))
    path = straight_path(arm, last)
    assert path is not None
    assert (path[:, 6] == arm.limits[1, 6]).any()
    assert ((path >= arm.limits[0]) & (path <= arm.limits[1])).all()
    assert np.abs(np.diff(path, axis=0)).max() <= LARGEST_JUMP


def test_an_unreachable_pose_leaves_the_arm_where_it_is(arm):
    before = arm.joints
    with pytest.raises(UnreachableError, match=r"1\.900"):
        move_tip(arm, down(1.9, 0.0, 0.1))
    np.testing.assert_array_equal(arm.joints, before)
