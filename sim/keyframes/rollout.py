"""Play one episode with a policy; runs in simulator processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from equigrasp.geometry.transforms import Matrix
from equigrasp.policy.episodes.files import find_episodes
from equigrasp.policy.episodes.frames import Frame
from equigrasp.policy.keyframes.clouds import cloud_of_frame
from sim.keyframes import rlbench_environment
from sim.keyframes.environment import MAX_KEYFRAMES, TaskEnvironment
from sim.keyframes.held_out import in_other_words
from sim.keyframes.rlbench_environment import RLBenchEnvironment
from sim.keyframes.seeds import EVALUATION, scene_seed
from sim.stage.task import Task
from sim.tasks import find_task, task_classes
from sim.workers.process import resolve

FAILURES = ("unreachable", "blocked", "terminated", "too_long", "gave_up")
"""Why an episode failed: a pose the arm cannot reach; something still in its way at the end;
RLBench ended it; no success within `MAX_KEYFRAMES`; the policy ended short of the goal."""


class Policy(Protocol):
    """What acts: told the task once, then asked for a keyframe after every observation.

    Attributes:
        cameras: whose images it needs.
        image_size: pixels per side.
    """

    cameras: tuple[str, ...]
    image_size: int

    def begin(self, sentence: str, task: Task, seed: int) -> None:
        """A new episode.

        Args:
            sentence: what is asked for.
            task: with its true state, for scripts; a learned policy must not look at it.
            seed: of the policy's own random numbers.
        """

    def act(self, frame: Frame) -> tuple[Matrix, bool] | None:
        """The next keyframe: pose (4, 4) of the tip in the world, and whether the gripper is open.

        None gives up.
        """


class Oracle:
    """The task's own script, which knows the true state; a `Policy`."""

    cameras: tuple[str, ...] = ()
    image_size = 8

    def begin(self, sentence: str, task: Task, seed: int) -> None:
        """See `Policy`."""
        self._waypoints: Iterator = task.waypoints()

    def act(self, frame: Frame) -> tuple[Matrix, bool] | None:
        """The next waypoint."""
        waypoint = next(self._waypoints, None)
        return None if waypoint is None else (waypoint.pose, waypoint.open)


def describe_tasks(tasks: list[str], env: str = "pybullet") -> dict[str, int]:
    """Number of variations by name; ["all"] stands for every task.

    Args:
        tasks: names.
        env: "pybullet", or "rlbench" (see `rlbench_environment.describe_tasks`).

    Raises:
        ValueError: there is no task of that name.
    """
    if env == "rlbench":
        return rlbench_environment.describe_tasks(tasks)
    names = list(task_classes()) if tasks == ["all"] else tasks
    return {name: find_task(name).variations for name in names}


def play_episode(
    policy: str,
    task: str,
    seed: int,
    index: int,
    film: str | None = None,
    options: Mapping[str, Any] | None = None,
    env: str = "pybullet",
    demos: str | None = None,
    held_out: str | None = None,
) -> dict[str, Any]:
    """One episode of an evaluation.

    Args:
        policy, options: see `load_policy`.
        task: name.
        seed, index: of the evaluation and of the episode, whose variation follows from it.
        film: camera whose keyframes are returned as images.
        env: whose task it is: "pybullet", or "rlbench".
        demos: folder of episodes, whose scenes are played instead of new ones: that of the task's
            episode number `index` in the folder's order. The seed is then the policy's alone.
        held_out: what of a new scene is unlike in demonstrations, see
            `sim.keyframes.held_out_kinds.HELD_OUT`.

    Returns:
        success, failure (None or one of `FAILURES`), keyframes, variation, sentence, and `film`: a
        list of (H, W, 3) images.
    """
    actor = load_policy(policy, **(options or {}))
    cameras = tuple(dict.fromkeys([*actor.cameras, *([film] if film else [])]))
    environment = _environment(env, cameras, actor.image_size if actor.cameras else 128)
    scene = scene_seed(EVALUATION, seed, task, index)
    if demos is None:
        frame, sentence = _new_scene(environment, task, index, scene, held_out)
    else:
        episode = find_episodes(demos, [task])[index]
        frame = environment.reset_to_demo(episode.demo, task)
        sentence = episode.descriptions[0]
    actor.begin(sentence, environment.task, scene)
    images = [frame.images[film].rgb] if film else []
    success, failure, arrived, count = False, "too_long", True, 0
    for _ in range(MAX_KEYFRAMES):
        action = actor.act(frame)
        if action is None:
            failure = "gave_up"
            break
        count += 1
        frame, success, stopped, arrived = environment.act(*action)
        images += [frame.images[film].rgb] if film else []
        if success or stopped:
            failure = stopped
            break
    if not arrived and failure in ("too_long", "gave_up"):
        failure = "blocked"
    return {
        "task": task,
        "seed": seed,
        "index": index,
        "variation": environment.task.variation,
        "sentence": sentence,
        "success": success,
        "failure": None if success else failure,
        "keyframes": count,
        "film": images,
    }


def drawn_beginnings(
    policy: str,
    task: str,
    seed: int,
    index: int,
    count: int,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Keyframes that a trained policy draws for the first observation of an episode.

    Args:
        policy, options: see `load_policy`; a trained one.
        task, seed, index: as for `play_episode`.
        count: N, how many are drawn.

    Returns:
        sentence; draws (N, 3) and answers (K, 3): positions of the tip (m), drawn and right
        (`Task.beginnings`); xyz and rgb (P, 3) of the cloud that the policy saw.
    """
    actor = load_policy(policy, **(options or {}))
    environment = _environment("pybullet", actor.cameras, actor.image_size)
    number = scene_seed(EVALUATION, seed, task, index)
    frame, sentence = _new_scene(environment, task, index, number)
    actor.begin(sentence, environment.task, number)
    poses, _ = actor.agent.draw(frame, sentence, count)
    cloud = cloud_of_frame(frame, actor.agent.settings)
    return {
        "sentence": sentence,
        "draws": poses[:, :3, 3],
        "answers": np.stack([way.pose[:3, 3] for way in environment.task.beginnings()]),
        "xyz": cloud.xyz,
        "rgb": cloud.rgb,
    }


def _new_scene(
    environment: TaskEnvironment | RLBenchEnvironment,
    task: str,
    index: int,
    seed: int,
    held_out: str | None = None,
) -> tuple[Frame, str]:
    """What is seen at first, and asked for. Variations take turns."""
    if isinstance(environment, TaskEnvironment):
        variation = index % find_task(task).variations
        frame = environment.reset(task, variation, seed, held_out)
    else:
        frame = environment.reset(task, index % environment.variations(task), seed)
    sentence = environment.task.sentences(environment.task.variation)[0]
    return frame, in_other_words(sentence) if held_out == "sentences" else sentence


@lru_cache(maxsize=1)
def load_policy(name: str, **options: Any) -> Policy:
    """A policy by name.

    Args:
        name: "oracle"; "module:Class" for a user's own, made without arguments; or a trained
            policy: a run's folder, a .safetensors file, or a shipped name.
        options: of a trained policy, see `KeyframeAgent.load`.

    Raises:
        ValueError, FileNotFoundError: it is none of these.
    """
    if name == "oracle":
        return Oracle()
    if ":" in name:
        return resolve(name)()
    from sim.keyframes.learned import LearnedPolicy

    return LearnedPolicy(name, **options)


@lru_cache(maxsize=2)
def _environment(
    env: str, cameras: tuple[str, ...], size: int
) -> TaskEnvironment | RLBenchEnvironment:
    if env == "rlbench":
        return RLBenchEnvironment(cameras, size, masks=False)
    return TaskEnvironment(cameras, size)
