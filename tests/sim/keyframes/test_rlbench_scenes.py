"""RLBench's scenes, pictures and tasks, against the protocol double in `tests/rlbench_double`."""

import sys

import numpy as np
import pytest

from equigrasp.policy.episodes import rlbench_pickle
from equigrasp.policy.episodes.camera import point_cloud
from equigrasp.policy.episodes.frames import Demo, FrameCamera, FrameState
from equigrasp.policy.keyframes.clouds import CloudSettings, cloud_of_frame
from sim.keyframes.rlbench_environment import RLBenchEnvironment, describe_tasks
from sim.keyframes.rlbench_frames import frame_of

SIZE = 48


@pytest.fixture
def environment(double):
    with RLBenchEnvironment(cameras=(), image_size=8) as made:
        yield made


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
        assert environment.task.sentences(7) == ["close jar 7", "screw on the lid of jar 7"]
        with pytest.raises(ValueError, match="variation 7"):
            environment.task.sentences(6)
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
        assert environment.task.sentences(7)[0] == "close jar 7"
        assert double.SCRIPT.said("reset") == [("reset", None if fork else 1)]
        np.testing.assert_array_equal(environment.random_seed[1], demo.random_seed[1])


@pytest.mark.parametrize("demo", [Demo([]), Demo([FrameState()], (1,)), Demo([], None, 3)])
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


def test_tasks_are_described_by_rlbench(double):
    assert describe_tasks(["push_button_2", "close_jar"]) == {"push_button_2": 2, "close_jar": 20}
    assert len(double.SCRIPT.said("launch")) == len(double.SCRIPT.said("shutdown")) == 1
    double.SCRIPT.calls.clear()
    with pytest.raises(ValueError, match="'insert_onto_square_peg'; it comes with PerAct's fork"):
        describe_tasks(["peract18"])
    with pytest.raises(ValueError, match="peract18"):
        describe_tasks(["all"])
    assert double.SCRIPT.calls == []


def test_one_simulator_per_process(double):
    with RLBenchEnvironment(cameras=()) as environment:
        with pytest.raises(RuntimeError, match="one CoppeliaSim"):
            RLBenchEnvironment(cameras=())
        environment.close()
    assert len(double.SCRIPT.said("shutdown")) == 1
    RLBenchEnvironment(cameras=()).close()


@pytest.mark.parametrize("missing", ["rlbench", "rlbench.environment"])
def test_without_rlbench_one_sentence_says_how_to_get_it(no_rlbench, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModuleNotFoundError, match=r"Linux, CoppeliaSim 4\.1.*PyRep") as caught:
        RLBenchEnvironment()
    assert "\n" not in str(caught.value)


def test_a_foreign_pyrep_is_told_apart(double, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyrep.errors", None)
    with pytest.raises(ModuleNotFoundError, match=r"pyrep\.errors.*PyPI is something else"):
        RLBenchEnvironment()
