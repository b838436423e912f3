"""A task of one's own keeps the contract, in one class; the contract tells those that do not."""

import numpy as np
import pytest

from sim.stage.stage import TABLE_TOP
from sim.stage.task import Task, Waypoint, down
from sim.testing.task_contract import TaskContract


class Reach(Task):
    """Bring the tip to the left or to the right of two marks."""

    name, variations = "reach", 2

    @classmethod
    def sentences(cls, variation):
        side = ("left", "right")[variation]
        return [f"{verb} the {side} mark" for verb in ("go to", "reach", "bring the tip to")]

    def build(self):
        self.marks = self.places(2, 0.15)
        for place in self.marks:
            self.stage.patch((0.02, 0.02), place, (1.0, 0.0, 0.0))

    def succeeded(self):
        goal = [*self.marks[self.variation], TABLE_TOP + 0.05]
        return bool(np.linalg.norm(self.arm.tip[:3, 3] - goal) < 0.02)

    def waypoints(self):
        for height in (0.15, 0.05):
            yield Waypoint(down(*self.marks[self.variation], height), open=True)


class TestReach(TaskContract):
    task = Reach


class Mumbling(Reach):
    """It asks for both marks with the same words."""

    @classmethod
    def sentences(cls, variation):
        return ["go there", "go", "there"]


class Short(Reach):
    """Its script stops above the mark."""

    def waypoints(self):
        yield Waypoint(down(*self.marks[self.variation], 0.15), open=True)


class Done(Reach):
    """It is content with anything."""

    def succeeded(self):
        return True


class Fickle(Reach):
    """Its marks are elsewhere every time."""

    def build(self):
        self.random = np.random.default_rng()
        super().build()


class Still(Reach):
    """All seeds are the same scene."""

    def build(self):
        self.random = np.random.default_rng(0)
        super().build()


@pytest.mark.parametrize(
    ("broken", "check", "message"),
    [
        (Mumbling, "sentences_tell_variations_apart", "more than one thing: .*'go there'"),
        (
            Short,
            "the_script_reaches_the_goal_and_its_keyframes_are_found_again",
            "short of the goal",
        ),
        (Done, "nothing_is_done_by_doing_nothing", "variation 0 begins with success"),
        (Fickle, "a_seed_is_a_scene", "not equal"),
        (Fickle, "an_episode_is_written_and_read_back", "not equal"),
        (Still, "a_seed_is_a_scene", "seeds 5 and 6"),
    ],
)
def test_what_is_broken_is_told(broken, check, message):
    class Contract(TaskContract):
        task = broken

    Contract.setup_class()
    try:
        with pytest.raises(AssertionError, match=message):
            getattr(Contract(), f"test_{check}")()
    finally:
        Contract.teardown_class()
