"""What every keyframe task has to keep.

    class TestMine(TaskContract):
        name = "mine"

in a test module checks the task of that name; a class that does not lie in `sim/tasks` is given as
`task = Mine`.
"""

from __future__ import annotations

import tempfile
from typing import ClassVar

import numpy as np

from equigrasp.policy.episodes.faults import episode_faults
from equigrasp.policy.episodes.files import find_episodes, write_episode
from equigrasp.policy.episodes.keypoints import discover_keypoints
from equigrasp.testing.require import require, require_refusal
from sim.keyframes.demonstrate import Demonstration, DemonstrationError, demonstrate
from sim.keyframes.environment import MAX_KEYFRAMES, TaskEnvironment
from sim.stage.task import Task
from sim.tasks import find_task

SENTENCES = 3
"""Least number of sentences that ask for a variation."""
UNTOUCHED = 4
"""So many variations are looked at before anything is done."""


class TaskContract:
    """Test methods for a task; see the module.

    Attributes:
        name: of the task.
        task: the class, where it is not the one that the name stands for.
        environment: in which all of them are played; there are no images, which would take long.
    """

    name: ClassVar[str] = ""
    task: ClassVar[type[Task] | None] = None
    environment: ClassVar[TaskEnvironment]
    _shown: ClassVar[dict[int, Demonstration]]

    @classmethod
    def setup_class(cls) -> None:
        """Start a simulator; test runners call this before the first method."""
        cls.environment, cls._shown = TaskEnvironment(cameras=()), {}

    @classmethod
    def teardown_class(cls) -> None:
        """End the simulator; test runners call this after the last method."""
        cls.environment.close()

    def test_sentences_tell_variations_apart(self) -> None:
        """Several for every variation, and none that asks for two of them."""
        task = self._class()
        said = [task.sentences(variation) for variation in range(task.variations)]
        few = [number for number, sentences in enumerate(said) if len(set(sentences)) < SENTENCES]
        require(not few, f"variations {few} have fewer than {SENTENCES} sentences")
        everything = [sentence for sentences in said for sentence in sentences]
        twice = sorted({s for s in everything if everything.count(s) > 1})
        require(not twice, f"these ask for more than one thing: {twice}")
        mute = [s for s in everything if not any(letter.isalpha() for letter in s)]
        require(not mute, f"these hold no word: {mute}")

    def test_the_script_reaches_the_goal_and_its_keyframes_are_found_again(self) -> None:
        """In the first variation, the last one, and one between."""
        for variation in self._variations():
            shown = self._demonstration(variation)
            found = discover_keypoints([frame.state for frame in shown.frames])
            require(
                found == shown.keypoints,
                f"variation {variation}: keypoints {found}, waypoints {shown.keypoints}",
            )
            count = len(shown.keypoints)
            require(0 < count < MAX_KEYFRAMES, f"{count} keyframes; an episode has {MAX_KEYFRAMES}")

    def test_nothing_is_done_by_doing_nothing(self) -> None:
        """A scene does not begin with its goal reached."""
        for variation in range(min(self._class().variations, UNTOUCHED)):
            self.environment.reset(self._class(), variation, 11)
            require(not self.environment.succeeded(), f"variation {variation} begins with success")

    def test_the_script_begins_with_a_right_beginning(self) -> None:
        """The first one that is told."""
        self.environment.reset(self._class(), 0, 11)
        task = self.environment.task
        first, beginnings = next(iter(task.waypoints())), task.beginnings()
        np.testing.assert_array_equal(beginnings[0].pose, first.pose)
        require(beginnings[0].open == first.open, "the gripper is another one")

    def test_a_seed_is_a_scene(self) -> None:
        """The same again whatever was played between; another seed is another scene."""
        first, other, again = (self._scene(seed) for seed in (5, 6, 5))
        np.testing.assert_array_equal(first, again)
        moved = np.abs(first - other).max() if first.shape == other.shape else np.inf
        require(moved > 1e-3, f"seeds 5 and 6 give scenes that differ by {moved} m")

    def test_an_episode_is_written_and_read_back(self) -> None:
        """With its sentences, its variation, every frame's state, and the seed of its scene."""
        variation = self._variations()[-1]
        shown, task = self._demonstration(variation), self._class()
        states = [frame.state for frame in shown.frames]
        with tempfile.TemporaryDirectory() as folder:
            write_episode(
                folder,
                task.name,
                0,
                shown.frames,
                variation=variation,
                descriptions=shown.sentences,
                random_seed=shown.random_seed,
            )
            (episode,) = find_episodes(folder)
            faults = [f for f in episode_faults(episode) if "no images of camera" not in f]
            demo = episode.demo
        require(not faults, f"faults: {faults}")
        told = (episode.task, episode.variation, episode.descriptions, episode.keypoints)
        meant = (task.name, variation, shown.sentences, shown.keypoints)
        require(told == meant, f"{meant} was read as {told}")
        require(len(demo) == len(states), f"{len(states)} frames were read as {len(demo)}")
        for read, state in zip(demo, states, strict=True):
            for name in state.RECORDED:
                np.testing.assert_array_equal(getattr(read, name), getattr(state, name))
        self.environment.reset_to_demo(demo, task)
        np.testing.assert_array_equal(self._objects(), states[0].task_low_dim_state)

    def test_a_variation_that_there_is_not_is_refused(self) -> None:
        """Numbers end at `variations` - 1."""
        task = self._class()
        for variation in (-1, task.variations):
            require_refusal(
                f"variation {variation} of {task.variations}",
                lambda variation=variation: self.environment.reset(task, variation, 0),
            )

    def _class(self) -> type[Task]:
        return self.task or find_task(self.name)

    def _variations(self) -> list[int]:
        count = self._class().variations
        return sorted({0, count // 2, count - 1})

    def _demonstration(self, variation: int) -> Demonstration:
        """Made once for all methods, since it takes longer than anything else."""
        if variation not in self._shown:
            seed = 1 + self._variations().index(variation)
            try:
                shown = demonstrate(self.environment, self._class(), variation, seed)
            except DemonstrationError as error:
                raise AssertionError(f"seed {seed}: {error}") from error
            self._shown[variation] = shown
        return self._shown[variation]

    def _scene(self, seed: int) -> np.ndarray:
        """Where everything is at the start of an episode."""
        self.environment.reset(self._class(), 0, seed)
        return self._objects()

    def _objects(self) -> np.ndarray:
        """Positions of all bodies, metres."""
        return self.environment.observe().state.task_low_dim_state
