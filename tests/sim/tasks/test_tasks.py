"""Every task keeps the contract of tasks; what some of them add to it."""

import pytest

from sim.keyframes.demonstrate import DemonstrationError, demonstrate
from sim.keyframes.environment import TaskEnvironment
from sim.tasks import find_task, task_classes
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


def test_a_script_that_fails_says_where(environment, monkeypatch):
    task = find_task("open_drawer")
    monkeypatch.setattr(task, "waypoints", lambda self: iter(()))
    with pytest.raises(DemonstrationError, match="short of the goal"):
        demonstrate(environment, "open_drawer", 0, 0)
