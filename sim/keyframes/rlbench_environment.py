"""RLBench's own tasks behind the interface of `TaskEnvironment`, by the published protocol.

An action moves the arm with the gripper as it was, again and again until the tip has arrived, and
then changes the gripper. Only a pose without a path ends the episode: a tip that does not arrive
leaves the gripper as it is, and the next action may do better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from equigrasp.geometry.transforms import Matrix
from equigrasp.policy.episodes.frames import CAMERAS, Demo, Frame
from sim.keyframes.environment import (
    REACHED,
    REACHED_FOR_GRIPPER,
    StepResult,
    held_off_table,
    parse_action,
)
from sim.keyframes.rlbench_frames import frame_of
from sim.keyframes.rlbench_parts import PERACT_18, Parts, task_class

if TYPE_CHECKING:
    from typing_extensions import Self

MOVES = 10
"""Attempts to bring the tip to where an action wants it."""


@dataclass(frozen=True)
class RLBenchTask:
    """What is being played.

    Attributes:
        name: of the task, as RLBench names its file.
        variation: its number.
        descriptions: what RLBench says of it.
    """

    name: str
    variation: int
    descriptions: tuple[str, ...]

    def sentences(self, variation: int) -> list[str]:
        """Ways to ask for a variation; the first is the one used in evaluations.

        Raises:
            ValueError: another one is being played; RLBench tells when it is reset, not before.
        """
        if variation != self.variation:
            raise ValueError(f"variation {self.variation} is being played, not {variation}")
        return list(self.descriptions)


def describe_tasks(tasks: Sequence[str]) -> dict[str, int]:
    """Number of variations by name, asked of RLBench; "peract18" stands for `PERACT_18`.

    Raises:
        ValueError: there is no task of that name; "all" is not one.
        ModuleNotFoundError: see `RLBenchEnvironment`.
    """
    if "all" in tasks:
        raise ValueError(
            "RLBench has more than a hundred tasks; name those that are meant, or give peract18 "
            "for the 18 of the published comparison"
        )
    names = [name for task in tasks for name in (PERACT_18 if task == "peract18" else (task,))]
    for name in names:
        task_class(name)  # a wrong name is told before the simulator starts
    with RLBenchEnvironment(cameras=()) as environment:
        return {name: environment.variations(name) for name in names}


class RLBenchEnvironment:
    """Plays RLBench's tasks. Use it as a context manager, or call `close`.

    Failures of a step are "unreachable" (there is no path) and "terminated" (RLBench has ended the
    episode without success).

    Args:
        cameras: whose images frames have; none is much quicker.
        image_size: pixels per side.
        masks: whether images have object handles, which take as long again.

    Raises:
        ModuleNotFoundError: RLBench is not installed; the message says how to get it.
        RuntimeError: another one runs in this process.
        ValueError: there is no such camera.
    """

    _running: ClassVar[bool] = False

    def __init__(
        self,
        cameras: Sequence[str] = CAMERAS,
        image_size: int = 128,
        *,
        masks: bool = True,
    ) -> None:
        if unknown := sorted(set(cameras) - set(CAMERAS)):
            raise ValueError(f"no camera '{unknown[0]}'; there are {', '.join(CAMERAS)}")
        if RLBenchEnvironment._running:
            raise RuntimeError("a process can run one CoppeliaSim; close the other one first")
        self.cameras, self.image_size = tuple(cameras), image_size
        self.task: RLBenchTask | None = None
        self.random_seed: tuple | None = None
        self._parts = Parts()
        self._simulator = self._parts.Environment(
            self._parts.action_mode(),
            obs_config=self._parts.observation_config(self.cameras, image_size, masks),
            headless=True,  # without a window; a display is needed all the same
        )
        self._name: str | None = None
        self._simulator.launch()
        self._live = RLBenchEnvironment._running = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the simulator. Safe to call twice."""
        if self._live:
            self._live = RLBenchEnvironment._running = False
            self._simulator.shutdown()

    def variations(self, task: str) -> int:
        """Number of a task's variations.

        Raises:
            ValueError: there is no such task.
        """
        return int(self._load(task).variation_count())

    def reset(self, task: str, variation: int, seed: int | tuple) -> Frame:
        """A new scene of a task.

        RLBench draws from numpy's global state, which is set here. Its planner, which it asks
        whether a scene can be solved, has a randomness of its own: rarely, a seed is two scenes.

        Args:
            task: its name.
            variation: number below `variations`.
            seed: a number, or a state that `numpy.random.RandomState.get_state` returned.

        Raises:
            ValueError: no such task or variation.
        """
        self._select(task, variation)
        state = seed if isinstance(seed, tuple) else RandomState(seed).get_state()
        np.random.set_state(state)  # noqa: NPY002 - where RLBench draws from
        self.random_seed = state
        return self._begin(task, variation, *self._play.reset())

    def reset_to_demo(self, demo: Demo, task: str) -> Frame:
        """The scene in which a demonstration was given, restored by RLBench's own means.

        Raises:
            ValueError: the demonstration does not tell its seed or its variation.
        """
        variation = getattr(demo, "variation_number", None)  # `Episode.demo` fills it in
        if variation is None and len(demo):
            variation = demo[0].misc.get("variation_index")
        if demo.random_seed is None or variation is None:
            raise ValueError("the demonstration does not tell the seed and variation of its scene")
        self._select(task, variation)
        first = SimpleNamespace(misc={"variation_index": variation})
        theirs = self._parts.Demo([first], random_seed=demo.random_seed)
        theirs.num_reset_attempts = getattr(demo, "num_reset_attempts", None)
        self.random_seed = demo.random_seed
        return self._begin(task, variation, *self._play.reset_to_demo(theirs))

    def step(self, action: ArrayLike) -> StepResult:
        """Act: xyz, quaternion xyzw (any length but zero) and gripper (open from 0.5 on).

        Raises:
            RuntimeError: there is no episode; call `reset`.
            ValueError: an action that is no pose.
        """
        return self.act(*parse_action(action))

    def act(self, pose: Matrix, opened: bool) -> StepResult:
        """`step` with a pose (4, 4) of the tip in the world, and a state of the gripper.

        Raises:
            RuntimeError: there is no episode; call `reset`.
        """
        if self.task is None:
            raise RuntimeError("no episode is being played; call reset first")
        pose = held_off_table(pose)
        target = np.concatenate([pose[:3, 3], Rotation.from_matrix(pose[:3, :3]).as_quat()])
        changes = bool(opened) != self._gripper_open
        try:
            result, off = self._move(target, REACHED_FOR_GRIPPER if changes else REACHED)
            if changes and not off and not self._over(result):
                self._gripper_open = bool(opened)
                result, _ = self._send(target)
        except self._parts.unreachable:
            return StepResult(self.observe(), False, "unreachable", arrived=False)
        return result._replace(arrived=not off)

    def observe(self) -> Frame:
        """What is seen and felt now."""
        return frame_of(self._play.get_observation(), self.cameras)

    def _move(self, target: NDArray[np.float64], near: float) -> tuple[StepResult, bool]:
        """What came of moving, and whether the tip is still farther off than `near` (m)."""
        for _ in range(MOVES):
            result, distance = self._send(target)
            if distance <= near or self._over(result):
                break
        return result, distance > near

    def _send(self, target: NDArray[np.float64]) -> tuple[StepResult, float]:
        """One step of RLBench: what came of it, and how far off the tip is (m)."""
        action = np.append(target, float(self._gripper_open))
        seen, reward, terminated = self._play.step(action)
        success = reward == 1
        failure = "terminated" if terminated and not success else None
        distance = float(np.linalg.norm(seen.gripper_pose[:3] - target[:3]))
        return StepResult(frame_of(seen, self.cameras), success, failure), distance

    @staticmethod
    def _over(result: StepResult) -> bool:
        return result.success or result.failure is not None

    def _load(self, name: str) -> Any:
        """RLBench's environment of a task; the one before is unloaded."""
        if name != self._name:
            kind = task_class(name)
            self._name = None
            self._play = self._simulator.get_task(kind)
            self._name = name
        return self._play

    def _select(self, task: str, variation: int) -> None:
        self.task = None
        count = self.variations(task)
        if not 0 <= variation < count:
            raise ValueError(f"variation {variation} of {task}: it has 0 to {count - 1}")
        self._play.set_variation(variation)

    def _begin(self, task: str, variation: int, sentences: Sequence[str], seen: Any) -> Frame:
        self.task = RLBenchTask(task, variation, tuple(sentences))
        self._gripper_open = bool(seen.gripper_open)
        return frame_of(seen, self.cameras)
