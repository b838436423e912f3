"""Every task: sentences tell variations apart, scripts reach the goal, nothing else does."""

import pytest

from equigrasp.policy.episodes.keypoints import discover_keypoints
from sim.keyframes.demonstrate import DemonstrationError, demonstrate
from sim.keyframes.environment import MAX_KEYFRAMES, TaskEnvironment
from sim.tasks import find_task, task_classes

NAMES = list(task_classes())


@pytest.fixture(scope="module")
def environment():
    with TaskEnvironment(cameras=()) as made:
        yield made


def test_there_are_ten():
    assert [
        *("block_in_tray", "drag_with_stick", "lid_on_jar", "open_drawer", "press_buttons"),
        *("slide_block", "sort_shape", "stack_blocks", "sweep_to_pan", "turn_lever"),
    ] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_sentences_tell_variations_apart(name):
    task = find_task(name)
    said = [task.sentences(v) for v in range(task.variations)]
    assert all(len(set(sentences)) >= 3 for sentences in said)
    everything = [sentence for sentences in said for sentence in sentences]
    assert len(set(everything)) == len(everything)


@pytest.mark.parametrize("name", NAMES)
def test_scripts_reach_the_goal_and_their_keyframes_are_found_again(environment, name):
    variations = find_task(name).variations
    for seed, variation in ((1, 0), (2, variations // 2), (3, variations - 1)):
        shown = demonstrate(environment, name, variation, seed)
        assert environment.succeeded()
        assert discover_keypoints([frame.state for frame in shown.frames]) == shown.keypoints
        assert len(shown.keypoints) < MAX_KEYFRAMES
        assert shown.variation == variation


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_done_by_doing_nothing(environment, name):
    task = find_task(name)
    for variation in range(min(task.variations, 4)):
        environment.reset(name, variation, 11)
        assert not environment.succeeded()


@pytest.mark.parametrize("name", ["press_buttons", "open_drawer", "turn_lever", "slide_block"])
def test_the_script_of_another_variation_misses_the_goal(environment, name):
    task = find_task(name)
    environment.reset(name, 2, 4)
    foreign = task(environment.stage, environment.arm, 1, environment.task.random)
    if name == "slide_block":
        environment.task.angle += 1.57
        foreign = environment.task
        centre = environment.stage.position(foreign.block)[:2]
        foreign_goal = 2 * centre - foreign.goal
        goal, foreign.goal = foreign.goal, foreign_goal
    else:
        vars(foreign).update(
            {k: v for k, v in vars(environment.task).items() if k not in ("variation", "pressed")}
        )
    for waypoint in foreign.waypoints():
        environment.act(waypoint.pose, waypoint.open)
    if name == "slide_block":
        foreign.goal = goal
    assert not environment.succeeded()


def test_buttons_out_of_order_spoil_it(environment):
    environment.reset("press_buttons", 2, 0)
    there, press = (list(environment.task.waypoints())[i::2] for i in (0, 1))
    for waypoint in [w for i in (1, 0, 2) for w in (there[i], press[i])]:
        environment.act(waypoint.pose, waypoint.open)
    assert environment.task.pressed == [1, 0, 2]
    assert not environment.succeeded()


def test_a_script_that_fails_says_where(environment, monkeypatch):
    task = find_task("open_drawer")
    monkeypatch.setattr(task, "waypoints", lambda self: iter(()))
    with pytest.raises(DemonstrationError, match="short of the goal"):
        demonstrate(environment, "open_drawer", 0, 0)
