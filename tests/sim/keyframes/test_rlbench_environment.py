"""The adapter for RLBench, against the protocol double in `tests/rlbench_double`."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from equigrasp.policy import rlbench_pickle
from equigrasp.policy.clouds import CloudSettings, cloud_of_frame
from equigrasp.policy.observation import Demo, FrameCamera, Observation
from equigrasp.policy.rlbench_camera import point_cloud
from sim.keyframes.environment import LOWEST_TIP, REACHED, REACHED_FOR_GRIPPER
from sim.keyframes.rlbench_environment import MOVES, RLBenchEnvironment
from sim.keyframes.rlbench_frames import frame_of
from sim.keyframes.task import down

DOUBLE = Path(__file__).parents[2] / "rlbench_double"
SIZE = 48


def forget_rlbench():
    for name in [n for n in sys.modules if n.split(".")[0] in ("rlbench", "pyrep")]:
        del sys.modules[name]


@pytest.fixture
def double(monkeypatch):
    """Module `rlbench.double`, as the only RLBench there is."""
    forget_rlbench()
    monkeypatch.syspath_prepend(str(DOUBLE))
    yield importlib.import_module("rlbench.double")
    forget_rlbench()


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
    assert (result.success, result.failure) == (False, None)


def test_a_tip_that_stays_away_leaves_the_gripper_and_the_episode_goes_on(environment, script):
    script.progress = [0.0]
    result = environment.act(AWAY, False)
    assert len(moves(script)) == MOVES == 10
    assert grippers(script) == [1] * MOVES
    assert (result.success, result.failure) == (False, None)
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
    assert environment.act(AWAY, True)[1:] == (True, None)


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


def test_rlbench_is_asked_for_what_is_needed_and_no_more(double):
    with RLBenchEnvironment(cameras=("wrist", "front"), image_size=SIZE, masks=False):
        pass
    (_, made), launched, ended = double.SCRIPT.calls
    assert (launched[0], ended[0]) == ("launch", "shutdown")
    assert made["headless"] is True
    config = made["obs_config"]
    assert config.front_camera.image_size == (SIZE, SIZE)
    for name in ("left_shoulder", "right_shoulder", "overhead", "wrist", "front"):
        camera = getattr(config, f"{name}_camera")
        used = name in ("wrist", "front")
        asked = (camera.rgb, camera.depth, camera.mask, camera.point_cloud)
        assert asked == (used, used, False, False)
    assert config.gripper_matrix
    assert not config.task_low_dim_state


def test_collisions_are_not_heeded_and_the_gripper_is_discrete(environment):
    mode = environment._simulator._action_mode
    assert mode.arm_action_mode.settings == (True, "world", False)
    assert type(mode.gripper_action_mode).__name__ == "Discrete"


@pytest.mark.parametrize(("seed", "side"), [(5, 1), (6, -1)])
def test_points_of_every_camera_lie_where_they_are(double, seed, side):
    with RLBenchEnvironment(image_size=SIZE) as environment:
        frame = environment.reset("close_jar", 0, seed)
        patch = environment._simulator._scene.patch
    assert len(frame.images) == 5
    for name, images in frame.images.items():
        camera = FrameCamera.of(frame.state, name)
        assert (camera.intrinsics[[0, 1], [0, 1]] < 0).all()
        points = point_cloud(images.depth, camera)
        seen = images.mask > 0
        np.testing.assert_allclose(points[seen][:, 2], double.TABLE, atol=1e-6)
        red = images.rgb[..., 0] == 255
        assert red.any()
        assert np.abs(points[red][:, :2] - patch).max() < double.BLOCK + 1e-6
        assert set(images.mask[red]) == {double.HANDLES["patch"]}
        assert set(images.mask[seen & ~red]) == {double.HANDLES["table"]}
    # The front camera looks back at the robot: what has a larger y is to its right.
    columns = np.argwhere(frame.images["front"].rgb[..., 0] == 255)[:, 1]
    assert side * (columns.mean() - SIZE / 2) > 2
    settings = CloudSettings(table_top=double.TABLE - 0.01)
    cloud = cloud_of_frame(frame, settings)
    reds = cloud.xyz[cloud.rgb[:, 1] < -0.9]
    assert len(reds) >= 5
    assert np.abs(reds - [*patch, double.TABLE]).max() < double.BLOCK + 1e-3


def test_frames_without_masks_and_images_that_were_not_taken(double):
    with RLBenchEnvironment(cameras=("front",), image_size=8, masks=False) as environment:
        frame = environment.reset("close_jar", 0, 0)
        assert frame.images["front"].mask is None
        seen = environment._play.get_observation()
    with pytest.raises(ValueError, match="no image with camera 'wrist'"):
        frame_of(seen, ["wrist"])
    seen.front_rgb = seen.front_rgb / 255
    with pytest.raises(ValueError, match=r"float64.*1\.2"):
        frame_of(seen, ["front"])


def test_a_seed_is_a_scene(double):
    with RLBenchEnvironment(cameras=()) as environment:
        scene = environment._simulator._scene
        frame = environment.reset("close_jar", 7, 5)
        first, state = scene.patch.copy(), environment.random_seed
        assert frame.state.misc["variation_index"] == 7
        assert environment.task.sentences == ("close jar 7", "screw on the lid of jar 7")
        assert (environment.task.name, environment.task.variation) == ("close_jar", 7)
        environment.reset("close_jar", 7, 6)
        assert np.abs(scene.patch - first).max() > 1e-3
        environment.reset("push_button_2", 1, 5)
        np.testing.assert_array_equal(scene.patch, first)
        environment.reset("close_jar", 7, state)
        np.testing.assert_array_equal(scene.patch, first)
    said = [arguments for _, arguments in double.SCRIPT.said("get_task")]
    assert said == ["CloseJar", "PushButton2", "CloseJar"]


@pytest.mark.parametrize("fork", [True, False])
def test_a_demonstrations_scene_is_restored(double, fork):
    """PerAct's fork writes the number of the variation, RLBench itself that of the attempts."""
    with RLBenchEnvironment(cameras=()) as environment:
        scene = environment._simulator._scene
        frame = environment.reset("close_jar", 7, 5)
        patch = scene.patch.copy()
        demo = Demo([frame.state], environment.random_seed, 7)
        if not fork:
            del demo.variation_number
            demo.num_reset_attempts = 1
        demo = rlbench_pickle.loads(rlbench_pickle.dumps(demo))
        environment.reset("push_button_2", 0, 8)
        double.SCRIPT.calls.clear()
        frame = environment.reset_to_demo(demo, "close_jar")
        np.testing.assert_array_equal(scene.patch, patch)
        assert frame.state.misc["variation_index"] == 7
        assert environment.task.sentences[0] == "close jar 7"
        assert double.SCRIPT.said("reset") == [("reset", None if fork else 1)]
        np.testing.assert_array_equal(environment.random_seed[1], demo.random_seed[1])


@pytest.mark.parametrize("demo", [Demo([]), Demo([Observation()], (1,)), Demo([], None, 3)])
def test_a_demonstration_must_tell_its_scene(environment, demo):
    with pytest.raises(ValueError, match="seed and variation"):
        environment.reset_to_demo(demo, "close_jar")


def test_unknown_names_and_numbers_are_refused(environment):
    assert environment.variations("close_jar") == 20
    with pytest.raises(ValueError, match="no task 'close_jars'; it has close_jar"):
        environment.reset("close_jars", 0, 0)
    with pytest.raises(ValueError, match="'stack_cups'; it comes with PerAct's fork"):
        environment.reset("stack_cups", 0, 0)
    for variation in (20, -1):
        with pytest.raises(ValueError, match="0 to 19"):
            environment.reset("close_jar", variation, 0)
    with pytest.raises(RuntimeError, match="reset"):
        environment.step([0.2, 0, 1, 1, 0, 0, 0, 1])
    with pytest.raises(ValueError, match="8 finite"):
        environment.step([0.0] * 7)
    with pytest.raises(ValueError, match="no camera 'side'"):
        RLBenchEnvironment(cameras=("side",))


def test_one_simulator_per_process(double):
    with RLBenchEnvironment(cameras=()) as environment:
        with pytest.raises(RuntimeError, match="one CoppeliaSim"):
            RLBenchEnvironment(cameras=())
        environment.close()
    assert len(double.SCRIPT.said("shutdown")) == 1
    RLBenchEnvironment(cameras=()).close()


@pytest.mark.parametrize("missing", ["rlbench", "rlbench.environment"])
def test_without_rlbench_one_sentence_says_how_to_get_it(monkeypatch, missing):
    forget_rlbench()
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModuleNotFoundError, match=r"Linux, CoppeliaSim 4\.1.*PyRep") as caught:
        RLBenchEnvironment()
    assert "\n" not in str(caught.value)


def test_a_foreign_pyrep_is_told_apart(double, monkeypatch):
    forget_rlbench()
    monkeypatch.setitem(sys.modules, "pyrep.errors", None)
    with pytest.raises(ModuleNotFoundError, match=r"pyrep\.errors.*PyPI is something else"):
        RLBenchEnvironment()
