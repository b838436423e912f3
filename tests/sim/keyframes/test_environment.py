import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from equigrasp.policy.episodes.frames import Demo, is_disturbed
from sim.keyframes.demonstrate import (
    GRASP_ASIDE,
    DemonstrationError,
    demonstrate,
    missed_pose,
)
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


@pytest.mark.parametrize("task", ["drag_with_stick", "block_in_tray"])
def test_a_demonstration_of_recovery_misses_and_reaches_the_goal_all_the_same(environment, task):
    shown = None
    for seed in range(8):
        try:
            errors = np.random.default_rng(seed)
            shown = demonstrate(environment, task, 0, seed, errors=errors)
        except DemonstrationError:
            continue
        if any(is_disturbed(shown.frames[k].state) for k in shown.keypoints):
            break
    missed = [k for k in shown.keypoints if is_disturbed(shown.frames[k].state)]
    assert missed
    assert not is_disturbed(shown.frames[shown.keypoints[-1]].state)
    clean = demonstrate(environment, task, 0, seed, between=False)
    grasp = next(f.state for f in clean.frames if not f.state.gripper_open).gripper_pose[:3]
    for key in missed:  # the gripper does nothing where it should not be, but grasps a little aside
        before, after = shown.frames[key - 1].state, shown.frames[key].state
        if after.gripper_open != before.gripper_open:
            assert (before.gripper_open, after.gripper_open) == (1, 0)
            assert np.abs(after.gripper_pose[:3] - grasp).max() < GRASP_ASIDE + 1e-3
    again = demonstrate(environment, task, 0, seed, errors=np.random.default_rng(seed))
    assert again.keypoints == shown.keypoints
    np.testing.assert_array_equal(
        again.frames[-1].state.gripper_pose, shown.frames[-1].state.gripper_pose
    )


def test_things_grasped_askew_are_a_little_aside_and_what_follows_is_learned(environment):
    askew = []
    for seed in range(12):
        clean = demonstrate(environment, "drag_with_stick", 0, seed, between=False)
        try:
            errors = np.random.default_rng(seed)
            shown = demonstrate(
                environment, "drag_with_stick", 0, seed, errors=errors, between=False
            )
        except DemonstrationError:
            continue
        grasp = next(f.state for f in clean.frames if not f.state.gripper_open)
        first = next(k for k, f in enumerate(shown.frames) if not f.state.gripper_open)
        state = shown.frames[first].state
        if not is_disturbed(state):
            continue
        off = state.gripper_pose[:3] - grasp.gripper_pose[:3]
        assert np.abs(off[:2]).max() < GRASP_ASIDE + 1e-3
        assert abs(off[2]) < 2e-3
        turned = grasp.gripper_matrix[:3, :3].T @ state.gripper_matrix[:3, :3]
        askew.append(np.degrees(Rotation.from_matrix(turned).magnitude()))
        assert not is_disturbed(shown.frames[-1].state)
    assert len(askew) >= 3
    assert 4 < max(askew) < 10.5


def test_fingers_that_close_on_nothing_are_no_grasp_and_their_keyframe_is_learned(environment):
    """Above a button they close to press it: where they do so aside, they go above it then."""
    aside = 0
    for seed in range(6):
        clean, shown = (
            demonstrate(environment, "press_buttons", 0, seed, errors=errors, between=False)
            for errors in (None, np.random.default_rng(seed))
        )
        closed = [f.state for f in shown.frames if not f.state.gripper_open]
        learned = next(state for state in closed if not is_disturbed(state))
        above = next(f.state for f in clean.frames if not f.state.gripper_open)
        np.testing.assert_allclose(learned.gripper_pose, above.gripper_pose, atol=3e-3)
        aside += is_disturbed(closed[0])
    assert 0 < aside < 6


def test_errors_are_as_large_as_they_may_be():
    errors, pose = np.random.default_rng(0), down(0.2, 0.0, 0.1, 0.3)
    moved = [missed_pose(pose, errors) for _ in range(300)]
    off = np.array([missed[:3, 3] - pose[:3, 3] for missed in moved])
    assert 0.024 < np.abs(off[:, :2]).max() <= 0.025
    assert off[:, 2].min() >= 0
    assert 0.029 < off[:, 2].max() <= 0.03
    turns = [
        np.degrees(Rotation.from_matrix(m[:3, :3] @ pose[:3, :3].T).magnitude()) for m in moved
    ]
    assert 9.5 < max(turns) <= 10.0
    assert all(missed[2, 2] == pytest.approx(-1) for missed in moved)  # still looks down


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
