import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from equigrasp.policy.episodes.frames import Demo
from sim.keyframes.demonstrate import demonstrate
from sim.keyframes.environment import LOWEST_TIP, TaskEnvironment, parse_action
from sim.stage.stage import TABLE_TOP
from sim.stage.task import down


@pytest.fixture
def environment():
    with TaskEnvironment(cameras=()) as made:
        yield made


def action(pose, opened):
    quaternion = Rotation.from_matrix(pose[:3, :3]).as_quat()
    return np.concatenate([pose[:3, 3], quaternion, [float(opened)]])


def test_a_demonstration_is_repeated_by_its_keyframes_in_its_scene(environment):
    shown = demonstrate(environment, "lid_on_jar", 2, 9)
    demo = Demo([frame.state for frame in shown.frames], shown.random_seed, shown.variation)
    environment.reset("press_buttons", 0, 0)
    frame = environment.reset_to_demo(demo, "lid_on_jar")
    np.testing.assert_array_equal(frame.state.task_low_dim_state, demo[0].task_low_dim_state)
    for index in shown.keypoints:
        seen = demo[index]
        result = environment.step([*seen.gripper_pose, seen.gripper_open])
        assert result.failure is None
    assert result.success


def test_a_demonstration_is_the_same_twice(environment):
    first = demonstrate(environment, "sweep_to_pan", 0, 3)
    second = demonstrate(environment, "sweep_to_pan", 0, 3)
    assert first.keypoints == second.keypoints
    for a, b in zip(first.frames, second.frames, strict=True):
        np.testing.assert_array_equal(a.state.gripper_pose, b.state.gripper_pose)
        np.testing.assert_array_equal(a.state.task_low_dim_state, b.state.task_low_dim_state)


def test_poses_out_of_reach_fail_and_say_so(environment):
    environment.reset("slide_block", 0, 0)
    result = environment.step(action(down(2.0, 0.0, 0.1), True))
    assert (result.failure, result.success) == ("unreachable", False)


def test_a_tip_that_is_stopped_leaves_the_gripper_and_may_try_again(environment):
    environment.reset("open_drawer", 0, 0)
    x, y, _ = environment.stage.position(environment.task.chest)
    above = action(down(x - 0.05, y, 0.35), False)
    assert environment.step(above).arrived
    result = environment.step(action(down(x - 0.05, y, 0.1), True))
    assert (result.failure, result.success, result.arrived) == (None, False, False)
    assert not result.frame.state.gripper_open
    again = environment.step(above)
    assert (again.failure, again.arrived) == (None, True)


def test_actions_do_not_go_into_the_table(environment):
    environment.reset("slide_block", 0, 0)
    result = environment.act(down(0.1, 0.3, -0.2), True)
    assert result.arrived
    assert result.frame.state.gripper_pose[2] == pytest.approx(LOWEST_TIP, abs=2e-3)
    assert LOWEST_TIP > TABLE_TOP


def test_quaternions_may_have_any_length():
    pose, opened = parse_action([0.1, 0.0, 0.8, 2.0, 0, 0, 0, 1.0])
    assert opened
    np.testing.assert_allclose(pose[:3, :3], np.diag([1, -1, -1]))
    np.testing.assert_allclose(pose[:3, 3], [0.1, 0.0, 0.8])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([0.0] * 7, "8 finite"),
        ([np.nan] + [0.0] * 6 + [1.0], "8 finite"),
        ([0.0] * 8, "no length"),
    ],
)
def test_what_is_no_action_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        parse_action(given)


def test_unknown_names_are_refused(environment):
    with pytest.raises(ValueError, match="stack_blocks"):
        environment.reset("stack", 0, 0)
    with pytest.raises(ValueError, match="0 to 2"):
        environment.reset("open_drawer", 3, 0)
    with pytest.raises(RuntimeError, match="reset"):
        environment.step([0.0] * 8)
    with pytest.raises(ValueError, match="side"):
        TaskEnvironment(cameras=("side",))
    with pytest.raises(ValueError, match="seed"):
        environment.reset_to_demo(Demo([]), "open_drawer")
