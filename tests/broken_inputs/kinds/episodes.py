"""Episodes as other versions and forks leave them, and policies that are asked for nonsense."""

from __future__ import annotations

import pickle  # noqa: TID251 - what others wrote
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from broken_inputs.case import Case
from equigrasp.policy.episodes.faults import episode_faults
from equigrasp.policy.episodes.files import (
    DESCRIPTIONS,
    LOW_DIM,
    NUMBER,
    Episode,
    find_episodes,
    write_episode,
)
from equigrasp.policy.episodes.frames import Demo, Frame
from equigrasp.policy.episodes.rlbench_pickle import dumps
from equigrasp.policy.episodes.synthetic import random_frames
from equigrasp.policy.keyframes.clouds import CloudSettings, cloud_of_episode
from equigrasp.policy.keyframes.dataset import KeyframeDataset
from equigrasp.policy.nn.vocabulary import Vocabulary

NAN = float("nan")
FRONT = ("front",)


def written(folder: Path, change: Callable[[Frame], Any] = lambda frame: None) -> Episode:
    """An episode of six frames of one camera, each changed before it is written."""
    frames = random_frames(0, 6, 16, FRONT)
    task = write_episode(folder, "push", 0, frames, variation=0, descriptions=["push it"])
    for frame in frames:
        change(frame)
    (task.path / LOW_DIM).write_bytes(dumps(Demo([frame.state for frame in frames])))
    return Episode(task.path, "push", 0)


def states(change: Callable[[Frame], Any]) -> Callable[[Path], Any]:
    """The keyframes of an episode whose states were changed."""
    return lambda folder: written(folder, change).keypoints


def field(name: str, value: Any) -> Callable[[Path], Any]:
    return states(lambda frame: setattr(frame.state, name, value))


def absent(name: str) -> Callable[[Path], Any]:
    return states(lambda frame: vars(frame.state).pop(name))


def cloud(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], Any]:
    """The cloud of an episode whose camera was changed."""

    def run(folder: Path) -> Any:
        episode = written(folder, lambda frame: change(frame.state.misc))
        return cloud_of_episode(episode, 0, FRONT, CloudSettings())

    return run


def misc(name: str, value: Any) -> Callable[[Path], Any]:
    return cloud(lambda entries: entries.update({f"front_camera_{name}": value}))


def images(kind: str, pixels: np.ndarray, use: str = "cloud") -> Callable[[Path], Any]:
    """An episode whose images of a kind are others."""

    def run(folder: Path) -> Any:
        episode = written(folder)
        for path in (episode.path / f"front_{kind}").glob("*.png"):
            Image.fromarray(pixels).save(path)
        if use == "cloud":
            return cloud_of_episode(episode, 0, FRONT, CloudSettings())
        faults = [fault for fault in episode_faults(episode) if "front" in fault]
        raise ValueError("\n".join(faults) or "0 faults")

    return run


def descriptions(value: Any) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        episode = written(folder)
        (episode.path / DESCRIPTIONS).write_bytes(pickle.dumps(value, 4))
        return episode.descriptions

    return run


def number(value: Any) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        episode = written(folder)
        (episode.path / NUMBER).write_bytes(pickle.dumps(value, 4))
        return episode.variation

    return run


def raw(data: bytes) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        episode = written(folder)
        (episode.path / LOW_DIM).write_bytes(data)
        return episode.demo

    return run


def asked(**arguments: Any) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        written(folder)
        return KeyframeDataset(folder, **{"split": "all", "cameras": FRONT} | arguments)

    return run


def tasks(value: Any) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        written(folder)
        return find_episodes(folder, value)

    return run


def writing(value: Any) -> Callable[[Path], Any]:
    return lambda folder: write_episode(
        folder, "push", 0, random_frames(0, 2, 8, FRONT), variation=0, descriptions=value
    )


GREY, RGBA = np.full((16, 16), 60, "u1"), np.full((16, 16, 4), 60, "u1")
DEEP, SMALL = np.full((16, 16), 3000, "u2"), np.full((8, 8, 3), 60, "u1")
BYTES, SIZE = "three bytes", "is 8x8 pixels, its intrinsics are those of 16x16"
SEVEN = "where 7 finite numbers belong"
TWISTED = np.diag([1.0, 1.0, -1.0, 1.0])
CASES = [
    Case("pose None", field("gripper_pose", None), f"frame 0 has gripper_pose None {SEVEN}"),
    Case("pose absent", absent("gripper_pose"), f"has gripper_pose None {SEVEN}"),
    Case("pose NaN", field("gripper_pose", np.full(7, NAN)), SEVEN),
    Case("pose of 6", field("gripper_pose", np.ones(6)), SEVEN),
    Case("pose as text", field("gripper_pose", "here"), SEVEN),
    Case("pose as matrix", field("gripper_pose", np.eye(7)), SEVEN),
    Case("quaternion zero", field("gripper_pose", [0.2, 0, 1, 0, 0, 0, 0]), "quaternion is zero"),
    Case("velocities None", field("joint_velocities", None), "has joint_velocities None where"),
    Case("velocities absent", absent("joint_velocities"), "has joint_velocities None where"),
    Case("velocities NaN", field("joint_velocities", np.full(7, NAN)), "where some finite numbers"),
    Case("velocities empty", field("joint_velocities", []), "where some finite numbers"),
    Case("gripper None", field("gripper_open", None), "has gripper_open None; it is 1"),
    Case("gripper NaN", field("gripper_open", NAN), "has gripper_open nan; it is 1"),
    Case("gripper in metres", field("gripper_open", -4.0), "has gripper_open -4.0; it is 1"),
    Case("gripper as percent", field("gripper_open", 98.0), "has gripper_open 98.0; it is 1"),
    Case("gripper of two", field("gripper_open", [0.04, 0.04]), "has gripper_open"),
    Case("gripper absent", absent("gripper_open"), "has gripper_open None; it is 1"),
    Case("misc absent", cloud(dict.clear), "frame 0, front: the state has no front_camera_extr"),
    Case("near absent", cloud(lambda m: m.pop("front_camera_near")), "no front_camera_near"),
    Case("near over far", misc("near", 5.0), "need 0 <= near < far"),
    Case("far NaN", misc("far", NAN), "need 0 <= near < far"),
    Case("far as text", misc("far", "x"), "frame 0, front: "),
    Case("camera NaN", misc("extrinsics", np.full((4, 4), NAN)), "camera_extrinsics is no rigid"),
    Case("camera mirrored", misc("extrinsics", TWISTED), "camera_extrinsics is no rigid"),
    Case("camera 3x4", misc("extrinsics", np.eye(4)[:3]), r"camera_extrinsics has shape \(3, 4\)"),
    Case("intrinsics zero", misc("intrinsics", np.zeros((3, 3))), "camera_intrinsics are"),
    Case("intrinsics None", misc("intrinsics", None), "frame 0, front: "),
    *(
        Case(f"depth {name}, {use}", images("depth", pixels, use), says)
        for use in ("cloud", "faults")
        for name, pixels, says in (
            ("of 16 bits", DEEP, BYTES),
            ("grey", GREY, BYTES),
            ("RGBA", RGBA, BYTES),
            ("of another size", SMALL, SIZE),
        )
    ),
    Case("mask grey, faults", images("mask", GREY, "faults"), BYTES),
    Case("colour of 16 bits", images("rgb", DEEP), "colours are 8 bits"),
    Case("colour grey", images("rgb", GREY), "colours are 8 bits"),
    Case("colour of another size", images("rgb", SMALL), SIZE),
    Case("colour of another size, faults", images("rgb", SMALL, "faults"), SIZE),
    *(
        Case(f"descriptions {value!r}", descriptions(value), "a list of sentences|a sentence bel")
        for value in (
            *({"vanilla": ["push it"]}, [["push it", "pull"]], [], 3, None, [""], [None]),
            *([3], "", {"push it"}),
        )
    ),
    *(
        Case(f"variation {value!r}", number(value), "the number of a variation is whole")
        for value in (None, "zero", 1.5, [1, 2], NAN)
    ),
    Case(
        "hostile", raw(b"cos\nsystem\n(S'true'\ntR."), "'os.system', which an RLBench file has no"
    ),
    Case("a list of states", raw(dumps([1, 2])), "holds no demonstration"),
    Case("no frames", raw(dumps(Demo([]))), "holds no demonstration"),
    Case("frames of numbers", raw(dumps(Demo([1, 2]))), "frame 0 is 1, no observation"),
    Case("LFS pointer", raw(b"version https://git-lfs.github.com/spec/v1\n"), "torn, or no pickle"),
    Case("HTML", raw(b"<!DOCTYPE html>quota exceeded"), "torn, or no pickle"),
    Case("empty", raw(b""), "torn, or no pickle"),
    *(
        Case(f"cameras {value!r}", asked(cameras=value), "cameras (is|holds) .*(give a list|words)")
        for value in ("front", b"front", {"front": 1}, 3, None, [1], [""])
    ),
    *(
        Case(f"tasks {value!r}", tasks(value), "tasks (is|holds) .*(give a list|words)")
        for value in ("push", b"push", {"push": 1}, 3, [1])
    ),
    Case("tasks to train on", asked(tasks="push"), "tasks is 'push'; give a list"),
    *(
        Case(f"writing descriptions {value!r}", writing(value), "descriptions (is|holds)|at least")
        for value in ("push it", b"push it", {"a": "push it"}, [["push it"]], [], None)
    ),
    *(
        Case(
            f"vocabulary {words!r}",
            lambda folder, words=words: Vocabulary(words),
            "a list of|twice",
        )
        for words in ("push it", ["a", "a"], [1], [None], ["<pad>"])
    ),
]
