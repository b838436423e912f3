"""Scenes unlike those of demonstrations: one thing is different, and the goal can be reached."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from equigrasp.policy.episodes.camera import point_cloud
from equigrasp.policy.episodes.frames import FrameCamera
from sim.keyframes.environment import TaskEnvironment
from sim.keyframes.held_out import (
    CAMERA_SHIFT,
    CAMERA_TURN,
    DISTRACTORS,
    LARGER,
    SMALLER,
    in_other_words,
    moved_camera,
    shaded,
)
from sim.keyframes.held_out_kinds import HELD_OUT
from sim.stage.palette import COLOURS
from sim.stage.stage import TABLE_TOP
from sim.tasks import task_classes

TASKS = list(task_classes())


@pytest.fixture(scope="module")
def environment():
    with TaskEnvironment(cameras=("front", "wrist"), image_size=16) as made:
        yield made


def paints(environment):
    p = environment.stage.p
    bodies = range(environment.arm.body + 1, p.getNumBodies())
    return [shape[7][:3] for body in bodies for shape in p.getVisualShapeData(body)]


def solved(environment):
    for waypoint in environment.task.waypoints():
        environment.act(waypoint.pose, waypoint.open)
    return environment.succeeded()


@pytest.mark.parametrize("kind", HELD_OUT)
def test_a_seed_is_a_scene_and_another_one_with_what_is_held_out(environment, kind):
    first, again = (environment.reset("stack_blocks", 3, 5, kind) for _ in range(2))
    plain = environment.reset("stack_blocks", 3, 5)
    np.testing.assert_array_equal(first.images["front"].rgb, again.images["front"].rgb)
    same = np.array_equal(first.images["front"].rgb, plain.images["front"].rgb)
    assert same == (kind == "sentences")


@pytest.mark.parametrize("task", TASKS)
def test_every_task_can_be_solved_with_things_of_another_size(environment, task):
    count = task_classes()[task].variations
    environment.reset(task, count - 1, 3, "sizes")
    size = environment.task.size
    assert SMALLER[0] <= size <= SMALLER[1] or LARGER[0] <= size <= LARGER[1]
    assert solved(environment)
    environment.reset(task, 0, 3)
    assert environment.task.size == 1.0


def test_another_size_is_seen(environment, monkeypatch):
    monkeypatch.setattr(environment, "image_size", 96)
    for task in TASKS:
        plain = environment.reset(task, 0, 3).images["front"].depth
        other = environment.reset(task, 0, 3, "sizes").images["front"].depth
        assert np.abs(plain - other).max() > 0.001, task


def test_shades_change_and_keep_their_order(environment):
    environment.reset("press_buttons", 2, 3)
    before = paints(environment)
    environment.reset("press_buttons", 2, 3, "colours")
    after = paints(environment)
    assert len(before) == len(after)
    moved = np.abs(np.array(before) - np.array(after)).max(1)
    assert 0.03 < moved.min() < moved.max() < 0.4
    environment.reset("press_buttons", 2, 3)
    assert paints(environment) == before
    names = ("red", "green", "blue", "yellow", "magenta", "cyan")
    for name in names:  # a shade is nearest to the colour that it is one of
        shade = np.array(shaded(COLOURS[name], 0.03, 0.8))
        gaps = {other: np.linalg.norm(shade - 0.8 * np.array(COLOURS[other])) for other in names}
        assert min(gaps, key=gaps.get) == name


def test_distractors_lie_apart_and_leave_the_way_free(environment):
    for task in TASKS:
        environment.reset(task, 0, 4)
        count = environment.stage.p.getNumBodies()
        state = environment.task.state()
        environment.reset(task, 0, 4, "distractors")
        assert environment.stage.p.getNumBodies() == count + DISTRACTORS
        moved = environment.task.state()
        np.testing.assert_allclose(moved[: 3 * count], state, atol=2e-3)
        added = moved[3 * count :].reshape(-1, 3)
        assert (np.abs(added[:, 2] - TABLE_TOP - 0.018) < 0.004).all(), task
        assert (np.abs(added[:, 1]) >= 0.19).all()


def test_cameras_are_moved_as_far_as_told_and_say_where_they_are(environment):
    moved = moved_camera(np.random.default_rng(0))
    assert np.linalg.norm(moved[:3, 3]) == pytest.approx(CAMERA_SHIFT)
    assert Rotation.from_matrix(moved[:3, :3]).magnitude() == pytest.approx(CAMERA_TURN)
    plain = environment.reset("lid_on_jar", 0, 2)
    other = environment.reset("lid_on_jar", 0, 2, "camera")
    for name in ("front", "wrist"):
        first, second = (FrameCamera.of(f.state, name) for f in (plain, other))
        gap = np.linalg.inv(first.extrinsics) @ second.extrinsics
        assert np.linalg.norm(gap[:3, 3]) == pytest.approx(CAMERA_SHIFT, abs=1e-6)
        angle = Rotation.from_matrix(gap[:3, :3]).magnitude()
        assert angle == pytest.approx(math.radians(5), abs=1e-4)
    cloud = point_cloud(other.images["front"].depth, FrameCamera.of(other.state, "front"))
    heights = cloud[..., 2][other.images["front"].mask == environment.stage.table + 1]
    assert np.median(np.abs(heights - TABLE_TOP)) < 0.004  # still the table, seen from elsewhere


def test_sentences_are_asked_anew_with_words_that_nobody_has_heard():
    heard = {
        word.strip(",:")
        for task in task_classes().values()
        for variation in range(task.variations)
        for sentence in task.sentences(variation)
        for word in sentence.split()
    }
    for task in task_classes().values():
        anew = [in_other_words(task.sentences(v)[0]) for v in range(task.variations)]
        assert len(set(anew)) == task.variations
        for variation, sentence in enumerate(anew):
            new, other, *rest = sentence.split()
            assert not {new, other} & heard
            assert rest == task.sentences(variation)[0].split()[1:]
    with pytest.raises(ValueError, match="begins with none of put"):
        in_other_words("dance with me")


def test_what_is_unknown_or_has_no_size_is_refused(environment, monkeypatch):
    with pytest.raises(ValueError, match="nothing is held out by 'weather'; there are colours"):
        environment.reset("lid_on_jar", 0, 0, "weather")
    monkeypatch.setattr(task_classes()["lid_on_jar"], "has_size", False)
    with pytest.raises(ValueError, match="lid_on_jar has no size"):
        environment.reset("lid_on_jar", 0, 0, "sizes")
