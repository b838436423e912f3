"""Evaluations and trainings that are asked for nonsense: scene lists, thresholds, devices."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from broken_inputs.case import Case
from equigrasp.hand import Hand, load_hand
from equigrasp.perception.camera import DEFAULT_INTRINSICS, Intrinsics
from equigrasp.thresholds import chosen_thresholds, detection_of
from equigrasp.training.loop import _launched
from equigrasp.training.settings import TrainSettings
from equigrasp.workspace import Workspace
from sim.clutter.protocol import EvalSettings
from sim.clutter.protocol_files import load_protocol
from sim.clutter.run import _read_settings
from sim.clutter.scene_lists import FORMAT, read_scene_list
from sim.clutter_eval import parser

NAN = float("nan")


def scene_list(content: str | bytes) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        path = folder / "scenes.json"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_scene_list(path, "pile")

    return run


def rounds(value: Any) -> Callable[[Path], Any]:
    return scene_list(json.dumps({"format": FORMAT, "scene": "pile", "rounds": value}))


def thresholds(*entries: str, config: str | None = None) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        words = ["--scene", "pile", *(f"--set={entry}" for entry in entries)]
        if config is not None:
            (folder / "planner.json").write_text(config)
            words += ["--planner-config", str(folder / "planner.json")]
        return detection_of(chosen_thresholds(parser().parse_args(words)))

    return run


def begun(content: str) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        (folder / "settings.json").write_text(content)
        return _read_settings(folder / "settings.json")

    return run


def yaml(read: Callable[[str], Any], content: str | bytes) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        path = folder / "mine.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read(str(path))

    return run


def trainer(**entries: Any) -> Callable[[Path], Any]:
    return lambda folder: TrainSettings.of(entries, 0)


def device(**entries: Any) -> Callable[[Path], Any]:
    return lambda folder: _launched(TrainSettings(**entries))


BODY = {"object_id": "a", "scale": 1.0, "T_world_object": [[1, 0], [0, 1]]}
SCENE = {"kind": "pile", "seed": 0, "settled": True, "requested": 1, "lost": [], "bodies": [BODY]}
PANDA = {"name": "x", "opening": 0.08, "finger_depth": 0.05, "tcp_from_base": 0.1}
BOXES = {
    "palm_box": [[-0.1, -0.1, -0.2], [0.1, 0.1, -0.1]],
    "finger_box": [[-0.01, 0.0, -0.05], [0.01, 0.02, 0.0]],
}
HANDS = [
    ("a word", "panda", "described by names and values"),
    ("None", None, "described by names and values"),
    ("empty", {}, "this is no hand"),
    ("no boxes", PANDA, "'finger_box', 'palm_box'.* are missing"),
    ("opening NaN", {**PANDA, **BOXES, "opening": NAN}, "opening is nan"),
    ("opening of words", {**PANDA, **BOXES, "opening": "wide"}, "opening is 'wide'; give a number"),
    ("opening of a metre", {**PANDA, **BOXES, "opening": 1.0}, "opening is 1.0; it lies in"),
    ("box of words", {**PANDA, **BOXES, "palm_box": "large"}, "palm_box is 'large'"),
    ("box upside down", {**PANDA, **BOXES, "palm_box": BOXES["palm_box"][::-1]}, "is not below"),
    ("masses", {**PANDA, **BOXES, "masses": [0.0, 1.0]}, "masses are"),
    ("force infinite", {**PANDA, **BOXES, "closing_force": float("inf")}, "closing_force is inf"),
]
WORKSPACES = [
    ("of words", {"side": "wide"}, "side is 'wide'; give a finite number"),
    ("NaN", {"table_height": NAN}, "table_height is nan; give a finite number"),
    ("resolution None", {"resolution": None}, "resolution is None; give a finite number"),
    ("resolution", {"resolution": 40.5}, "resolution is 40.5; give 2 to 1024"),
    ("unknown", {"width": 0.3}, "it has side, table_height, resolution"),
    ("a word", "cube", "it has side, table_height, resolution"),
]
CAMERAS = [
    ("incomplete", {"width": 640}, "give width, height, fx, fy, cx, cy"),
    ("a word", "kinect", "intrinsics are 'kinect'; give width"),
    ("unknown", {**DEFAULT_INTRINSICS.to_dict(), "k1": 0.1}, "give width, height, fx"),
]
CASES = [
    *(
        Case(f"workspace {n}", lambda folder, v=v: Workspace.of(v), says)
        for n, v, says in WORKSPACES
    ),
    *(
        Case(f"camera {n}", lambda folder, v=v: Intrinsics.from_dict(v), says)
        for n, v, says in CAMERAS
    ),
    *(
        Case(f"scene list {text[:14]!r}", scene_list(text), "no scene list|not JSON|has format")
        for text in ("", "[]", "3", "null", "{}", "{", "[" * 100_000, '{"format": 99}')
    ),
    Case("scene list in latin-1", scene_list('{"ä": 1}'.encode("latin-1")), "not text in UTF-8"),
    *(
        Case(f"rounds {value!r}", rounds(value), "is no scene list")
        for value in (None, "all", 3, [3], [None], [{}], [{"seed": "a", "round": 0, "scene": {}}])
    ),
    Case("round without bodies", rounds([{"seed": 0, "round": 0, "scene": {}}]), "not a scene"),
    Case(
        "pose of 2x2", rounds([{"seed": 0, "round": 0, "scene": SCENE}]), "the pose of 'a' has sh"
    ),
    Case("threshold without value", thresholds("advance"), "give NAME=VALUE"),
    Case("threshold of words", thresholds("advance=deep"), "give NAME=VALUE"),
    Case("threshold as text", thresholds('advance="0.1"'), "advance is '0.1'; give a finite"),
    Case("threshold of no known word", thresholds("unseen=guessed"), "unseen is 'guessed'; choose"),
    Case("threshold NaN", thresholds("advance=NaN"), "advance is nan; give a finite"),
    Case("threshold unknown", thresholds("advnace=0.1"), "unknown threshold.*advnace"),
    Case("threshold nested", thresholds("advance=" + "[" * 100_000), "give NAME=VALUE"),
    Case("thresholds in a list", thresholds(config="[1]"), "give thresholds by name"),
    Case("thresholds torn", thresholds(config="{"), "is not JSON"),
    Case("threshold of a file", thresholds(config='{"z_min": "low"}'), "z_min is 'low'; give"),
    Case("settings in a list", begun("[]"), "holds no settings"),
    Case("settings torn", begun("{"), "is not JSON"),
    *(
        Case(
            f"simulator {s!r}", lambda folder, s=s: EvalSettings(simulator=s), "one of pybullet, m"
        )
        for s in ("gazebo", None, ["mujoco"])
    ),
    Case("protocol of words", yaml(load_protocol, "fixed"), "the protocol is 'fixed'"),
    Case("protocol empty", yaml(load_protocol, ""), "the protocol is None"),
    Case("protocol torn", yaml(load_protocol, "{a: ["), "is not YAML"),
    Case("protocol absent", lambda folder: load_protocol("nothing"), "no protocol is called"),
    Case("hand torn", yaml(load_hand, "{a: ["), "is not YAML"),
    Case("hand of words", yaml(load_hand, "panda"), "described by names and values"),
    Case("hand absent", lambda folder: load_hand("nothing"), "no hand is called 'nothing'"),
    *(Case(f"hand {name}", lambda folder, h=h: Hand.of(h), says) for name, h, says in HANDS),
    Case("trainer of words", lambda folder: TrainSettings.of("quick", 0), "settings by name"),
    Case("trainer's unknown", trainer(batchsize=3), r"has no option \['batchsize'\]"),
    Case("trainer's step", trainer(max_steps=-3), "max_steps is -3; it must be positive"),
    Case("trainer's end", trainer(epochs=None), "so the run has no end"),
    Case(
        "accelerator unknown", device(accelerator="abacus"), "accelerator=abacus.*machine has cpu"
    ),
    Case("no devices", device(accelerator="cpu", devices=0), "devices=0.*this machine has cpu"),
]
