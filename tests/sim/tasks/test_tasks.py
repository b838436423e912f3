"""Every task keeps the contract of tasks; what some of them add to it."""

import numpy as np
import pytest

from sim.keyframes.demonstrate import DemonstrationError, demonstrate
from sim.keyframes.environment import TaskEnvironment
from sim.stage.palette import COLOURS
from sim.tasks import find_task, task_classes
from sim.tasks.place_shape import ALIKE
from sim.testing.task_contract import TaskContract


class TestBlockInTray(TaskContract):
    name = "block_in_tray"


class TestDragWithStick(TaskContract):
    name = "drag_with_stick"


class TestInsertOntoPeg(TaskContract):
    name = "insert_onto_peg"


class TestLidOnJar(TaskContract):
    name = "lid_on_jar"


class TestOpenDrawer(TaskContract):
    name = "open_drawer"


class TestPlaceShape(TaskContract):
    name = "place_shape"


class TestPressButtons(TaskContract):
    name = "press_buttons"


class TestPutItemInDrawer(TaskContract):
    name = "put_item_in_drawer"


class TestSlideBlock(TaskContract):
    name = "slide_block"


class TestSortShape(TaskContract):
    name = "sort_shape"


class TestStackBlocks(TaskContract):
    name = "stack_blocks"


class TestStackCups(TaskContract):
    name = "stack_cups"


class TestSweepToPan(TaskContract):
    name = "sweep_to_pan"


class TestTurnLever(TaskContract):
    name = "turn_lever"


def test_all_tasks_are_above():
    contracts = [value for name, value in globals().items() if name.startswith("Test")]
    assert [contract.name for contract in contracts] == list(task_classes())


@pytest.fixture(scope="module")
def environment():
    with TaskEnvironment(cameras=()) as made:
        yield made


@pytest.mark.parametrize(
    "name", ["press_buttons", "open_drawer", "turn_lever", "slide_block", "put_item_in_drawer"]
)
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


def played(environment, name, variation, seed):
    """A task whose script has been played; it succeeds."""
    environment.reset(name, variation, seed)
    for waypoint in environment.task.waypoints():
        environment.act(waypoint.pose, waypoint.open)
    assert environment.succeeded()
    return environment.task


def test_a_ring_beside_its_peg_or_on_top_of_it_is_not_on_it(environment):
    task = played(environment, "insert_onto_peg", 3, 1)
    place = environment.stage.p.resetBasePositionAndOrientation
    for shift in ([0.03, 0, 0], [0, 0.12, 0], [0, 0, 0.09]):
        x, y, z = np.add([*task.goal, 0.77], shift)
        place(task.ring, [x, y, z], [0, 0, 0, 1])
        assert not task.succeeded()
    place(task.ring, [*task.goal, 0.77], [0, 0, 0, 1])
    assert task.succeeded()
    environment.arm.commanded_open = False
    assert not task.succeeded()


def test_cups_stand_in_the_one_that_is_named(environment):
    task = played(environment, "stack_cups", 2, 1)
    heights = [environment.stage.position(cup)[2] - 0.75 for cup in task.cups]
    np.testing.assert_allclose(heights, [0.03, 0.06, 0.09], atol=0.003)
    task.cups = task.cups[1:] + task.cups[:1]  # now another one was named
    assert not task.succeeded()


def test_the_cube_is_in_the_drawer_and_not_on_the_chest(environment):
    task = played(environment, "put_item_in_drawer", 1, 1)
    x, y, z = environment.stage.position(task.item)
    place = environment.stage.p.resetBasePositionAndOrientation
    for shift in ([0, 0, 0.08], [0.12, 0, 0], [0, 0.15, 0]):
        place(task.item, np.add([x, y, z], shift), [0, 0, 0, 1])
        assert not task.succeeded()
    place(task.item, [x, y, z], [0, 0, 0, 1])
    assert task.succeeded()
    environment.stage.p.resetJointState(task.chest, 2, 0.1)
    assert not task.succeeded()  # another drawer is open too


def test_only_the_shape_that_is_named_counts_and_others_are_like_it(environment):
    for variation in (0, 13, 26):
        task = played(environment, "place_shape", variation, 1)
        shape, colour = task.wanted(variation)
        paint = environment.stage.p.getVisualShapeData
        shades = {tuple(np.round(paint(body)[0][7][:3], 3)) for body in task.bodies}
        group = next(group for group in ALIKE if colour in group)
        assert shades == {tuple(np.round(COLOURS[name], 3)) for name in group}
        task.shape = task.bodies[1]
        assert not task.succeeded()


def test_a_stick_that_missed_the_cube_hooks_it_again(environment):
    environment.reset("drag_with_stick", 1, 2)
    missed = 0
    for number, waypoint in enumerate(environment.task.waypoints()):
        if number == 5:  # the drag is left out
            missed += 1
            continue
        environment.act(waypoint.pose, waypoint.open)
    assert missed == 1
    assert number == 9
    assert environment.succeeded()


@pytest.mark.parametrize("turn", [-0.15, 0.15])
@pytest.mark.parametrize("seed", [1, 2, 3])  # to the left, to the arm, to the right
def test_a_stick_that_is_askew_in_the_hand_drags_the_cube_all_the_same(environment, seed, turn):
    environment.reset("drag_with_stick", seed, seed)
    task, c, s = environment.task, np.cos(turn), np.sin(turn)
    for number, waypoint in enumerate(task.waypoints()):
        pose = waypoint.pose.copy()
        if number == 1:  # the grasp
            pose[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ pose[:3, :3]
            pose[:2, 3] += [0.005, -0.005]
        assert environment.act(pose, waypoint.open).arrived
        if number == 3:  # the stick points against the way it drags, whatever the hand does
            stick, tip = environment.stage.pose(task.stick), environment.arm.tip
            along = [-np.cos(task.angle), -np.sin(task.angle)]
            assert stick[:2, 0] @ along > np.cos(0.03)
            assert tip[:2, 0] @ along < np.cos(0.05)
    assert number == 5
    assert task.succeeded()


def test_a_script_that_fails_says_where(environment, monkeypatch):
    task = find_task("open_drawer")
    monkeypatch.setattr(task, "waypoints", lambda self: iter(()))
    with pytest.raises(DemonstrationError, match="short of the goal"):
        demonstrate(environment, "open_drawer", 0, 0)
