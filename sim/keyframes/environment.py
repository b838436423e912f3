"""A task being played: reset, act by keyframes, observe; RLBench's semantics.

An action is a pose of the tip and a state of the gripper. The arm goes there with the gripper as it
was, then the gripper changes. A pose to which there is no way ends the episode. A tip that is
stopped on the way leaves the gripper as it is, and the next action may do better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

from equigrasp.geometry.transforms import Matrix, make_transform
from equigrasp.policy.episodes.frames import CAMERAS, Demo, Frame, FrameState
from sim.keyframes.cameras import IMAGE_SIZE, render
from sim.keyframes.held_out import HeldOut
from sim.keyframes.motion import UnreachableError, move_tip
from sim.stage.arm import Arm
from sim.stage.stage import TABLE_TOP, Stage
from sim.stage.task import Task
from sim.tasks import find_task

if TYPE_CHECKING:
    from typing_extensions import Self

LOWEST_TIP = TABLE_TOP + 0.005
"""Actions that go lower are lifted to this (m): predictions must not drive into the table."""
REACHED, REACHED_FOR_GRIPPER = 0.05, 0.02
"""A tip that stops farther off (m) has not arrived; the gripper changes only if it is closer."""
MAX_KEYFRAMES = 25
"""Actions before an episode counts as failed."""


class StepResult(NamedTuple):
    """What came of an action.

    Attributes:
        frame: what is seen and felt after it.
        success: whether the goal is reached.
        failure: "unreachable" or None (RLBench adds "terminated"); after a failure the episode is
            over.
        arrived: whether the tip came to where the action wanted it.
    """

    frame: Frame
    success: bool
    failure: str | None
    arrived: bool = True


class TaskEnvironment:
    """Plays one task after the other. Use it as a context manager, or call `close`.

    Args:
        cameras: whose images frames have; none is much quicker.
        image_size: pixels per side.

    Attributes:
        task: that is being played, or None.
        arm: that plays it.
        random_seed: state of the generator that its scene came from.

    Raises:
        ValueError: there is no such camera.
    """

    def __init__(self, cameras: Sequence[str] = CAMERAS, image_size: int = IMAGE_SIZE) -> None:
        if unknown := sorted(set(cameras) - set(CAMERAS)):
            raise ValueError(f"no camera '{unknown[0]}'; there are {', '.join(CAMERAS)}")
        self.cameras, self.image_size = tuple(cameras), image_size
        self.stage = Stage()
        self.task: Task | None = None
        self.random_seed: tuple | None = None
        self._moved: dict[str, Matrix] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect from the simulator. Safe to call twice."""
        self.stage.close()

    def reset(
        self,
        task: str | type[Task],
        variation: int,
        seed: int | tuple,
        held_out: str | None = None,
    ) -> Frame:
        """A new scene of a task.

        Args:
            task: its name, or a class of one's own.
            variation: number below the task's `variations`.
            seed: a number, or a state that `numpy.random.RandomState.get_state` returned.
            held_out: what is unlike in demonstrations, see `sim.keyframes.held_out_kinds.HELD_OUT`.

        Raises:
            ValueError: no such task or variation, or the task has nothing of that kind.
        """
        kind = find_task(task) if isinstance(task, str) else task
        if not 0 <= variation < kind.variations:
            raise ValueError(
                f"variation {variation} of {kind.name}: it has 0 to {kind.variations - 1}"
            )
        random = RandomState()
        if isinstance(seed, tuple):
            random.set_state(seed)
        else:
            random.seed(seed)
        self.random_seed = random.get_state()
        self.stage.reset()
        self.arm = Arm(self.stage)
        self.task = kind(self.stage, self.arm, variation, random)
        changed = held_out and HeldOut(held_out, np.random.default_rng(self.random_seed[1]))
        if changed:
            changed.begin(self.stage, self.task)
        self.task.build()
        if changed:
            changed.end(self.stage, self.arm)
        self._moved = changed.cameras if changed else {}
        self.stage.settle()
        return self.observe()

    def reset_to_demo(self, demo: Demo, task: str | type[Task]) -> Frame:
        """The scene of `task` in which a demonstration was given, built again.

        Raises:
            ValueError: the demonstration does not tell its seed or its variation.
        """
        if demo.random_seed is None or demo.variation_number is None:
            raise ValueError("the demonstration does not tell the seed and variation of its scene")
        return self.reset(task, demo.variation_number, demo.random_seed)

    def step(self, action: ArrayLike) -> StepResult:
        """Act: xyz, quaternion xyzw (any length but zero) and gripper (open from 0.5 on).

        Raises:
            RuntimeError: there is no episode; call `reset`.
            ValueError: an action that is no pose.
        """
        if self.task is None:
            raise RuntimeError("no episode is being played; call reset first")
        pose, opened = parse_action(action)
        return self.act(pose, opened)

    def act(
        self, pose: Matrix, opened: bool, record: Callable[[], None] | None = None
    ) -> StepResult:
        """`step` with a pose instead of numbers.

        Args:
            pose: (4, 4) of the tip in the world.
            opened: state of the gripper from then on.
            record: called at regular moments on the way, not on arrival.
        """
        pose = held_off_table(pose)
        try:
            move_tip(self.arm, pose, record)
        except UnreachableError:
            return StepResult(self.observe(), self.succeeded(), "unreachable", arrived=False)
        off = float(np.linalg.norm(self.arm.tip[:3, 3] - pose[:3, 3]))
        changes = opened != self.arm.commanded_open
        arrived = off <= (REACHED_FOR_GRIPPER if changes else REACHED)
        if arrived and opened:
            self.arm.open_gripper()
        elif arrived:
            self.arm.close_gripper()
        return StepResult(self.observe(), self.succeeded(), None, arrived)

    def succeeded(self) -> bool:
        """Whether the goal of the task is reached."""
        return self.task is not None and bool(self.task.succeeded())

    def observe(self, images: bool = True) -> Frame:
        """What is seen and felt now; without images it is only felt, and much quicker."""
        arm, tip = self.arm, self.arm.tip
        cameras = self.cameras if images else ()
        seen, misc = render(arm, cameras, self.image_size, self._moved)
        quaternion = Rotation.from_matrix(tip[:3, :3]).as_quat()
        state = FrameState(
            joint_velocities=arm.velocities,
            joint_positions=arm.joints,
            joint_forces=arm.forces,
            gripper_open=float(arm.commanded_open),
            gripper_pose=np.concatenate([tip[:3, 3], quaternion]),
            gripper_matrix=tip,
            gripper_joint_positions=arm.fingers,
            task_low_dim_state=self.task.state(),
            misc={**misc, "variation_index": self.task.variation},
        )
        return Frame(state, seen)


def parse_action(action: ArrayLike) -> tuple[Matrix, bool]:
    """Pose (4, 4) of the tip in the world and state of the gripper of an action (8,).

    Raises:
        ValueError: another shape, a value that is not finite, or a quaternion of length zero.
    """
    action = np.asarray(action, dtype=np.float64)
    if action.shape != (8,) or not np.isfinite(action).all():
        raise ValueError(
            f"an action is 8 finite numbers (xyz, quaternion xyzw, gripper), not {action}"
        )
    if np.linalg.norm(action[3:7]) < 1e-6:
        raise ValueError("the quaternion of the action has no length")
    return make_transform(Rotation.from_quat(action[3:7]).as_matrix(), action[:3]), action[7] >= 0.5


def held_off_table(pose: Matrix) -> Matrix:
    """A pose (4, 4) of the tip, lifted to `LOWEST_TIP` where it is lower."""
    lifted = pose.copy()
    lifted[2, 3] = max(pose[2, 3], LOWEST_TIP)
    return lifted
