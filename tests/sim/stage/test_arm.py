"""The arm: inverse kinematics, grasping by constraint, and furniture."""

from dataclasses import replace

import numpy as np
import pytest

from equigrasp.hand import PANDA
from sim.keyframes.motion import move_tip
from sim.stage.arm import HOME, Arm
from sim.stage.bodies import Part, box
from sim.stage.stage import TABLE_TOP, Stage
from sim.stage.task import AREA, down


@pytest.fixture
def arm():
    with Stage() as stage:
        yield Arm(stage)


def test_home_looks_down(arm):
    np.testing.assert_allclose(arm.tip[:3, 2], [0, 0, -1], atol=1e-3)
    np.testing.assert_allclose(arm.joints, HOME, atol=1e-9)


def test_solutions_reach_their_poses_within_the_limits_and_move_nothing(arm):
    rng = np.random.default_rng(0)
    before = arm.joints
    for _ in range(30):
        x, y = (rng.uniform(*side) for side in AREA)
        pose = down(x, y, rng.uniform(0.01, 0.3), rng.uniform(-1.5, 1.5))
        joints = arm.solve(pose, HOME)
        assert joints is not None, pose
        assert ((joints >= arm.limits[0]) & (joints <= arm.limits[1])).all()
        np.testing.assert_array_equal(arm.joints, before)
        arm.place(joints)
        np.testing.assert_allclose(arm.tip, pose, atol=5e-3)
        np.testing.assert_allclose(arm.tip[:3, 3], pose[:3, 3], atol=5e-4)
        arm.place(before)


def test_fingers_open_as_far_as_the_hand_does():
    with Stage() as stage:
        arm = Arm(stage, replace(PANDA, opening=0.05))
        np.testing.assert_allclose(arm.fingers, 0.025, atol=1e-9)
        arm.close_gripper()
        arm.open_gripper()
        np.testing.assert_allclose(arm.fingers, 0.025, atol=1e-3)


def test_there_is_no_solution_out_of_reach(arm):
    assert arm.solve(down(1.5, 0.0, 0.1), HOME) is None
    assert arm.solve(down(0.2, 0.0, 2.0), HOME) is None


def test_a_grasped_thing_is_carried_where_it_was_held_and_let_go(arm):
    stage = arm.stage
    cube = stage.add(box((0.02, 0.02, 0.02)), (0.25, 0.1, TABLE_TOP + 0.02), (1, 0, 0))
    stage.settle()
    move_tip(arm, down(0.25, 0.1, 0.15))
    move_tip(arm, down(0.25, 0.1, 0.02))
    arm.close_gripper()
    assert arm.held == cube
    held = np.linalg.inv(arm.tip) @ stage.pose(cube)
    move_tip(arm, down(0.1, -0.2, 0.25, 1.0))
    carried = np.linalg.inv(arm.tip) @ stage.pose(cube)
    np.testing.assert_allclose(carried[:3, 3], held[:3, 3], atol=1e-3)
    np.testing.assert_allclose(carried[:3, :3], held[:3, :3], atol=0.03)
    arm.open_gripper()
    stage.step(144)
    assert arm.held is None
    assert stage.position(cube)[2] < TABLE_TOP + 0.03


def test_nothing_between_the_fingers_is_nothing_held(arm):
    arm.close_gripper()
    assert arm.held is None
    assert not arm.commanded_open
    assert arm.fingers.max() < 0.005


def test_parts_of_furniture_slide_turn_spring_back_and_stop(arm):
    stage = arm.stage
    slider = Part(
        boxes=[((0.01,) * 3, (0, 0, 0))],
        at=(0, 0, 0.1),
        colour=(1, 0, 0),
        axis=(1, 0, 0),
        slides=True,
        limits=(0.0, 0.05),
        drag=0.5,
    )
    body = stage.jointed([((0.02,) * 3, (0, 0, 0))], (0.4, 0.4, 1.2), (0, 0, 0), [slider])
    for force in (5.0, 5.0, 5.0):
        for _ in range(240):
            stage.p.applyExternalForce(body, 0, [force, 0, 0], [0, 0, 0], 1)
            stage.step()
    assert 0.045 < stage.joint(body, 0) < 0.055
