"""Acting in RLBench, against the protocol double in `tests/rlbench_double`."""

import importlib

import numpy as np
import pytest

from sim.keyframes.environment import LOWEST_TIP, REACHED, REACHED_FOR_GRIPPER
from sim.keyframes.rlbench_environment import MOVES, RLBenchEnvironment
from sim.stage.task import down


@pytest.fixture
def script(double):
    return double.SCRIPT


@pytest.fixture
def environment(double):
    with RLBenchEnvironment(cameras=(), image_size=8) as made:
        made.reset("close_jar", 3, 0)
        double.SCRIPT.calls.clear()
        yield made


def moves(script):
    return [arguments for _, arguments in script.said("move")]


def grippers(script):
    return [arguments for _, arguments in script.said("gripper")]


AWAY = down(0.28, 0.3, 0.42)
"""Pose 0.42 m from where the double's tip starts."""


def test_the_arm_moves_with_the_gripper_as_it_was_and_then_the_gripper_changes(environment, script):
    result = environment.act(AWAY, False)
    assert (result.success, result.failure) == (False, None)
    for target in moves(script):
        np.testing.assert_allclose(target[:3], AWAY[:3, 3])
        np.testing.assert_allclose(np.abs(target[3:]), [1, 0, 0, 0], atol=1e-12)
    assert [name for name, _ in script.calls] == ["step", "move", "gripper"] * 2
    assert grippers(script) == [1, 0]
    assert all(action.shape == (8,) for _, action in script.said("step"))
    np.testing.assert_allclose(result.frame.state.gripper_pose[:3], AWAY[:3, 3])
    assert result.frame.state.gripper_open == 0
    environment.act(AWAY, False)
    assert grippers(script) == [1, 0, 0]


@pytest.mark.parametrize(
    ("opened", "near", "attempts"), [(True, REACHED, 4), (False, REACHED_FOR_GRIPPER, 5)]
)
def test_the_arm_tries_again_until_it_is_near(environment, script, opened, near, attempts):
    script.progress = [0.5]
    result = environment.act(AWAY, opened)
    off = np.linalg.norm(environment.observe().state.gripper_pose[:3] - AWAY[:3, 3])
    start = np.linalg.norm(AWAY[:3, 3] - [0.28, 0.0, 1.47])
    assert start * 0.5**attempts <= near < start * 0.5 ** (attempts - 1)
    wanted = [1] * attempts if opened else [1] * attempts + [0]
    assert grippers(script) == wanted
    assert off <= near
    assert (result.success, result.failure, result.arrived) == (False, None, True)


def test_a_tip_that_stays_away_leaves_the_gripper_and_the_episode_goes_on(environment, script):
    script.progress = [0.0]
    result = environment.act(AWAY, False)
    assert len(moves(script)) == MOVES == 10
    assert grippers(script) == [1] * MOVES
    assert (result.success, result.failure, result.arrived) == (False, None, False)
    script.progress = [1.0]
    script.calls.clear()
    environment.act(AWAY, False)
    assert grippers(script) == [1, 0]


def test_success_on_the_way_ends_the_action(environment, script):
    script.progress = [0.5]
    script.goal = (np.array([0.28, 0.0, 1.47]) + AWAY[:3, 3]) / 2
    result = environment.act(AWAY, False)
    assert result.success is True
    assert result.failure is None
    assert len(moves(script)) == 1
    assert grippers(script) == [1]


def test_success_on_arrival_leaves_the_gripper(environment, script):
    script.goal = AWAY[:3, 3]
    result = environment.act(AWAY, False)
    assert result.success is True
    assert grippers(script) == [1]


def test_success_by_the_gripper(environment, script):
    script.goal = AWAY[:3, 3]
    script.progress = [0.97, 1.0]
    result = environment.act(AWAY, False)
    assert grippers(script) == [1, 0]
    assert result.success is True


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("rlbench.backend.exceptions", "InvalidActionError"),
        ("pyrep.errors", "ConfigurationPathError"),
        ("pyrep.errors", "IKError"),
    ],
)
def test_a_pose_without_a_path_is_unreachable(environment, script, module, name):
    refusal = getattr(importlib.import_module(module), name)("no path")
    script.progress, script.refuse = [0.5], [None, None, refusal]
    result = environment.act(AWAY, False)
    assert (result.success, result.failure) == (False, "unreachable")
    assert len(moves(script)) == 3
    assert grippers(script) == [1, 1]
    assert 0.1 < np.linalg.norm(result.frame.state.gripper_pose[:3] - AWAY[:3, 3]) < 0.3


def test_a_pose_outside_of_the_workspace_is_unreachable(environment):
    assert environment.act(down(2.0, 0.0, 0.1), True).failure == "unreachable"


def test_an_episode_that_rlbench_ends_has_failed(environment, script):
    script.hopeless, script.progress = True, [0.1]
    result = environment.act(AWAY, False)
    assert (result.success, result.failure) == (False, "terminated")
    assert len(moves(script)) == 1
    script.goal = environment.observe().state.gripper_pose[:3]
    script.progress = [0.0]
    assert environment.act(AWAY, True)[1:3] == (True, None)


def test_other_errors_are_not_taken_for_a_pose_out_of_reach(environment, script):
    script.refuse = [RuntimeError("the simulator fell over")]
    with pytest.raises(RuntimeError, match="fell over"):
        environment.act(AWAY, True)


def test_actions_do_not_go_into_the_table(environment, script):
    environment.act(down(0.2, 0.0, -0.3), True)
    result = environment.step([0.2, 0.1, 0.3, 0, 2.0, 0, 0, 1.0])
    assert [target[2] for target in moves(script)] == [LOWEST_TIP] * 2
    np.testing.assert_allclose(result.frame.state.gripper_pose, [0.2, 0.1, LOWEST_TIP, 0, 1, 0, 0])


def test_a_forks_ninth_number_is_not_needed_to_ignore_collisions(double, monkeypatch):
    planning = importlib.import_module("rlbench.action_modes.arm_action_modes")
    modes = importlib.import_module("rlbench.action_modes.action_mode")
    plain, ignored = planning.EndEffectorPoseViaPlanning.action, []

    def action(self, scene, action, ignore_collisions=True):
        ignored.append(ignore_collisions)
        plain(self, scene, action)

    def split(self, scene, action):
        self.arm_action_mode.action(scene, action[:7], bool(len(action[8:9]) and action[8]))
        self.gripper_action_mode.action(scene, action[7:8])

    monkeypatch.setattr(planning.EndEffectorPoseViaPlanning, "action", action)
    monkeypatch.setattr(modes.MoveArmThenGripper, "action", split)
    with RLBenchEnvironment(cameras=()) as environment:
        environment.reset("close_jar", 0, 0)
        assert environment.act(AWAY, False).failure is None
    assert ignored == [True, True]
    assert grippers(double.SCRIPT) == [1, 0]


def test_collisions_are_not_heeded_and_the_gripper_is_discrete(environment):
    mode = environment._simulator._action_mode
    assert mode.arm_action_mode.settings == (True, "world", False)
    assert type(mode.gripper_action_mode).__name__ == "Discrete"
