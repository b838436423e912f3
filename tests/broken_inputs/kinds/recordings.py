"""Recordings of robots with files that are not what they should be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from broken_inputs.case import Case
from equigrasp.perception.camera import Intrinsics
from equigrasp.policy.record import main, read_marks
from equigrasp.policy.recording.folders import read_take
from equigrasp.policy.recording.recorder import Recorder
from equigrasp.policy.recording.rig import Rig, RigCamera

NAN = float("nan")
RIG = Rig({"front": RigCamera(Intrinsics(16, 12, 20.0, 20.0, 8.0, 6.0), np.eye(4))})
LOOK = {"front": (np.zeros((12, 16, 3), "u1"), np.full((12, 16), 0.8))}
POSE = [0.4, 0.0, 0.3, 1.0, 0.0, 0.0, 0.0]


def taken(folder: Path) -> Path:
    with Recorder(folder, "push", ["push it"], RIG) as recorder:
        for share in (1, 1, 0, 0):
            recorder.add(LOOK, POSE, share)
    return recorder.folder


def used(take: Path) -> Any:
    """All that a conversion does with a take."""
    found = read_take(take)
    return found.keyframes(), [found.frame(index) for index in range(len(found.moments))]


def told(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], Any]:
    """A take whose `episode.json` was changed."""

    def run(folder: Path) -> Any:
        file = taken(folder) / "episode.json"
        values = json.loads(file.read_text())
        change(values)
        file.write_text(json.dumps(values))
        return used(file.parent)

    return run


def frame(**entries: Any) -> Callable[[Path], Any]:
    return told(lambda values: values["frames"][2].update(entries))


def camera(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], Any]:
    """A take whose `cameras.json` was changed."""

    def run(folder: Path) -> Any:
        file = taken(folder) / "cameras.json"
        values = json.loads(file.read_text())
        change(values)
        file.write_text(json.dumps(values))
        return used(file.parent)

    return run


def entry(**entries: Any) -> Callable[[Path], Any]:
    return camera(lambda values: values["front"].update(entries))


def raw(name: str, data: bytes) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        take = taken(folder)
        (take / name).write_bytes(data)
        return used(take)

    return run


def added(*arguments: Any, **options: Any) -> Callable[[Path], Any]:
    return lambda folder: Recorder(folder, "push", ["push it"], RIG).add(*arguments, **options)


def recorder(task: str, sentences: Any) -> Callable[[Path], Any]:
    return lambda folder: Recorder(folder, task, sentences, RIG)


def marks(value: Any) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        path = folder / "marks.json"
        path.write_text(json.dumps(value))
        return read_marks(path)

    return run


def asked(*arguments: str) -> Callable[[Path], Any]:
    """The command on a take; what it says."""

    def run(folder: Path) -> Any:
        import contextlib
        import io

        taken(folder / "recordings")
        said = io.StringIO()
        out = ["--out", str(folder / "out")]
        with contextlib.redirect_stderr(said):
            status = main([str(folder / "recordings"), *out, *arguments])
        raise ValueError(f"{status}: {said.getvalue()}")

    return run


HTML = b"<!DOCTYPE html>not found"
CASES = [
    Case("episode HTML", raw("episode.json", HTML), "push/take0: .*is not JSON"),
    Case("episode a list", raw("episode.json", b"[1]"), "push/take0: .*holds no frames"),
    Case("cameras HTML", raw("cameras.json", HTML), "push/take0: .*is not JSON"),
    Case("cameras a list", raw("cameras.json", b"[1]"), "holds no cameras"),
    Case("colours HTML", raw("front_rgb/1.png", HTML), "push/take0, frame 1: camera .front.*read"),
    Case("frames of numbers", told(lambda v: v.update(frames=[1, 2])), "frame 0 lacks pose"),
    Case("frames a text", told(lambda v: v.update(frames="all")), "holds no frames"),
    Case("sentence None", told(lambda v: v.update(sentences=[None])), "its entries are words"),
    *(
        Case(f"keyframes {v!r}", told(lambda t, v=v: t.update(keyframes=v)), "take0: keyframe")
        for v in ([1.5], [True], ["2"], {"2": 1}, 2, "2", [2, 2], [-1, 2], [4])
    ),
    *(
        Case(f"variation {v!r}", told(lambda t, v=v: t.update(variation=v)), "give a whole number")
        for v in (1.5, "0", None, True, -1)
    ),
    *(
        Case(f"opening {v!r}", frame(gripper_open=v), "take0: frame 2: gripper_open is")
        for v in (None, "open", [1, 0], NAN, 80, {})
    ),
    *(
        Case(f"pose {v!r}"[:40], frame(pose=v), "take0, frame 2: the tip's pose")
        for v in (None, "here", [1, 2], [0] * 7, [NAN] * 7, [[1, 0], [0, 1]], np.ones(16).tolist())
    ),
    Case("camera poses a list", frame(camera_poses=[1]), "frame 2: camera_poses is .1."),
    Case("camera pose a word", frame(camera_poses={"front": "up"}), "camera 'front': its pose"),
    Case(
        "velocities a word", frame(joint_velocities="fast"), "frame 2: joint_velocities is 'fast'"
    ),
    Case("velocities NaN", frame(joint_velocities=[NAN]), "frame 2: joint_velocities"),
    Case("images a list", frame(images=[1]), "frame 2: images are .1."),
    Case("images a word", frame(images={"front": "a.png"}), "images of camera 'front' are a.png"),
    Case("image elsewhere", frame(images={"front": {"rgb": "a.png"}}), "there is no file"),
    Case("camera None", camera(lambda v: v.update(front=None)), "'front': it holds no intrinsics"),
    Case("camera a number", camera(lambda v: v.update(front=3)), "'front': it holds no intrinsics"),
    Case("focal length zero", entry(fx=0), "'front': .*focal lengths are positive"),
    Case("focal length a word", entry(fx="wide"), "'front': "),
    Case("pose a word", entry(T_world_camera="up"), "'front': T_world_camera is not an array"),
    Case("pose transposed", entry(T_world_camera=np.tri(4).T.tolist()), "'front': T_world_camera"),
    Case("scale zero", entry(depth_scale=0), "'front': depth_scale is 0"),
    Case("scale true", entry(depth_scale=True), "'front': depth_scale is True"),
    Case("lens of six", entry(D=[0.1] * 6), "'front': distortion is"),
    Case("lens NaN", entry(D=[NAN] * 4), "'front': distortion is"),
    Case("no camera", camera(dict.clear), "at least one"),
    Case("record nothing", added({}, POSE, 1), "no image of camera 'front'"),
    Case("record no pose", added(LOOK, None, 1), "the tip's pose"),
    Case(
        "record millimetres",
        added({"front": (LOOK["front"][0], 1e3 * LOOK["front"][1])}, POSE, 1),
        "mil",
    ),
    Case(
        "record whole numbers",
        added({"front": (LOOK["front"][0], np.full((12, 16), 9))}, POSE, 1),
        "scale",
    ),
    Case("record elsewhere", recorder("a/b", ["push"]), "task is 'a/b'; give a word"),
    Case("record a sentence", recorder("push", "push it"), "sentences is 'push it'; give a list"),
    *(Case(f"marks {v!r}", marks(v), "holds no marks") for v in ([1], {"one": [1]}, 3, None)),
    *(
        Case(f"widest {v}", asked("--widest", v), "1: error: --widest is")
        for v in ("0", "-1", "nan", "inf")
    ),
]
