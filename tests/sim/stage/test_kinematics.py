"""Joint positions for poses of the tip: within limits, found where they exist, nothing moved."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.stage.arm import HOME, Arm
from sim.stage.kinematics import ANGLE_TOLERANCE, POSITION_TOLERANCE
from sim.stage.stage import TABLE_TOP, Stage
from sim.stage.task import AREA


@pytest.fixture(scope="module")
def arm():
    with Stage() as stage:
        yield Arm(stage)


def tip_at(arm, joints):
    arm.place(joints)
    tip = arm.tip
    arm.place(HOME)
    return tip


def check(arm, pose, joints):
    assert ((joints >= arm.limits[0]) & (joints <= arm.limits[1])).all()
    tip = tip_at(arm, joints)
    assert np.linalg.norm(tip[:3, 3] - pose[:3, 3]) <= POSITION_TOLERANCE
    turn = pose[:3, :3].T @ tip[:3, :3]
    assert np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)) <= ANGLE_TOLERANCE


shares = st.lists(st.floats(0.02, 0.98), min_size=7, max_size=7)


@settings(max_examples=60, deadline=None)
@given(shares, st.lists(st.floats(-0.05, 0.05), min_size=7, max_size=7))
def test_a_pose_that_the_joints_have_is_found_from_joints_near_by(arm, shares, aside):
    low, high = arm.limits
    joints = low + np.array(shares) * (high - low)
    pose = tip_at(arm, joints)
    found = arm.solve(pose, np.clip(joints + aside, low, high))
    assert found is not None
    check(arm, pose, found)


def poses_within_reach(arm, count):
    """Poses over the table that look down more or less, each of joints within the limits."""
    rng, found = np.random.default_rng(0), []
    (west, east), (south, north) = AREA
    while len(found) < count:
        tip = tip_at(arm, rng.uniform(*arm.limits))
        x, y, z = tip[:3, 3]
        over = west - 0.1 < x < east + 0.1 and south - 0.1 < y < north + 0.1
        if over and TABLE_TOP < z < TABLE_TOP + 0.35 and tip[2, 2] < -0.7:
            found.append(tip)
    return found


def test_where_a_solver_without_limits_leaves_them_another_solution_is_found(arm):
    poses, found, bullet = poses_within_reach(arm, 60), 0, 0
    for pose in poses:
        with arm.kinematics._put_back():
            bullet += arm.kinematics._by_bullet(pose, HOME) is not None
        joints = arm.solve(pose, HOME)
        np.testing.assert_array_equal(arm.joints, HOME)
        if joints is not None:
            check(arm, pose, joints)
            found += 1
    assert bullet < 48  # or nothing is tested
    assert found >= 55


def test_a_start_outside_of_the_limits_is_no_fault(arm):
    pose = tip_at(arm, (*HOME[:6], 2.9))
    check(arm, pose, arm.solve(pose, (*HOME[:6], 3.1)))


def test_a_moving_arm_keeps_its_speed(arm):
    arm.p.resetJointState(arm.body, 0, 0.2, 0.7)
    arm.solve(tip_above(arm, 2.0), HOME)
    assert (arm.joints[0], arm.velocities[0]) == (0.2, 0.7)
    arm.place(HOME)


def tip_above(arm, height):
    pose = arm.tip
    pose[2, 3] = height
    return pose
