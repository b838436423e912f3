"""A new task is one file in `sim/tasks`."""

import sys

import pytest

import sim.tasks
from sim.keyframes.rollout import describe_tasks
from sim.tasks import find_task, task_classes

SOURCE = """
from sim.tasks.lid_on_jar import LidOnJar

class LidOnTwoJars(LidOnJar):
    name = "lid_on_two_jars"
    variations = 2
"""


@pytest.fixture
def new_task(tmp_path, monkeypatch):
    """The name of a task whose file lies beside those of the package."""
    (tmp_path / "lid_on_two_jars.py").write_text(SOURCE)
    monkeypatch.setattr(sim.tasks, "__path__", [*sim.tasks.__path__, str(tmp_path)])
    yield "lid_on_two_jars"
    sys.modules.pop("sim.tasks.lid_on_two_jars", None)
    vars(sim.tasks).pop("lid_on_two_jars", None)


def test_a_file_is_all_that_a_new_task_needs(new_task):
    assert len(task_classes()) == 15
    assert find_task(new_task).__name__ == "LidOnTwoJars"
    assert describe_tasks(["all"])[new_task] == 2


def test_an_unknown_name_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match="no task 'dance'; there are block_in_tray, "):
        find_task("dance")
