"""Lists of grasps as arrays, and in the files and messages of other software, both ways.

| name | what it is | poses |
|---|---|---|
| `json`, `npz` | our own files | `tcp`, or the convention they name |
| `isaac_grasp` | YAML of Isaac Sim and Isaac ROS, version 1.0 | `base` |
| `graspnet` | (N, 17) array of graspnetAPI's `GraspGroup` | `graspnet` |

Poses of the other conventions (`vgn`, `graspgen` and so on) are those of
`equigrasp.grasp_arrays.poses`; `equigrasp.robot_goals` has what motion planners take.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.data.files import (
    pack_arrays,
    read_arrays,
    read_json,
    write_atomically,
    write_json,
)
from equigrasp.geometry.transforms import make_transform
from equigrasp.grasp import Grasp
from equigrasp.grasp_arrays import (
    ExchangeError,
    GraspList,
    entry,
    from_arrays,
    hand_of,
    listed,
    numbers,
    pose_of,
    poses,
    quaternions,
    to_arrays,
)
from equigrasp.hand import PANDA, Hand, hand_names, load_hand

JSON_FORMAT, JSON_VERSION = "equigrasp-grasps", 1
SUFFIXES = {".json": "json", ".npz": "npz", ".yaml": "isaac_grasp", ".yml": "isaac_grasp"}
GRASPNET_HEIGHT = 0.02
"""Height of the fingers (m) that graspnetAPI writes where none is known."""

Array = NDArray[np.float64]


def to_json(
    grasps: Sequence[Grasp], *, frame: str = "", hand: Hand | None = None
) -> dict[str, Any]:
    """Our own form: position (m), quaternion xyzw, width (m) and score of every grasp (TCP).

    A plan also has its `facts` under "plan": clearances, pre-grasps, drops and so on.
    """
    T = poses(grasps)
    rows = zip(T, quaternions(T), grasps, strict=True)
    return {
        "format": JSON_FORMAT,
        "version": JSON_VERSION,
        "frame": frame,
        "hand": hand_of(grasps, hand).name,
        "convention": "tcp",
        "grasps": [
            {
                "position": pose[:3, 3].tolist(),
                "quaternion_xyzw": quaternion.tolist(),
                "width": grasp.width,
                "score": None if np.isnan(grasp.score) else grasp.score,
            }
            for pose, quaternion, grasp in rows
        ],
        **({"plan": _plain(grasps.facts())} if isinstance(grasps, GraspList) else {}),
    }


def _plain(value: Any) -> Any:
    """What JSON can hold of nested facts: lists for arrays, None for what is no finite number."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def from_json(values: Mapping[str, Any], hand: Hand = PANDA) -> list[Grasp]:
    """Inverse of `to_json`.

    Raises:
        ExchangeError: another format or version, or entries that are missing or no numbers.
    """
    if not isinstance(values, Mapping) or values.get("format") != JSON_FORMAT:
        raise ExchangeError(f"this is no file of grasps: its format is not '{JSON_FORMAT}'")
    if values.get("version") != JSON_VERSION:
        raise ExchangeError(
            f"version is {values.get('version')!r}; this program reads {JSON_VERSION}"
        )
    each = entry(values, "grasps")
    convention = values.get("convention", "tcp")
    if not isinstance(each, list):
        raise ExchangeError(f"grasps are {reprlib.repr(each)}; they are a list")
    T = [pose_of(entry(g, "position"), entry(g, "quaternion_xyzw")) for g in each]
    told = [(entry(g, "width"), g.get("score")) for g in each]
    return listed(T, told, convention, hand)


def to_isaac_grasp(
    grasps: Sequence[Grasp],
    hand: Hand | None = None,
    *,
    object_frame: str = "world",
    gripper_frame: str = "panda_hand",
    joints: Sequence[str] = ("panda_finger_joint1",),
) -> dict[str, Any]:
    """`isaac_grasp` 1.0: the hand's base in a frame, with the finger joints open and closed.

    Args:
        grasps: in the frame that is called `object_frame`.
        hand: whose base the poses are of; see `hand_of`.
        object_frame, gripper_frame: names for people; readers do not rely on them.
        joints: that open the hand, each by half of the opening.
    """
    hand = hand_of(grasps, hand)
    T = poses(grasps, "base", hand)
    rows = enumerate(zip(T, quaternions(T), grasps, strict=True))
    return {
        "format": "isaac_grasp",
        "format_version": 1.0,
        "object_frame": object_frame,
        "gripper_frame": gripper_frame,
        "grasps": {
            f"grasp_{number}": {
                "confidence": 1.0 if np.isnan(grasp.score) else float(grasp.score),
                "position": pose[:3, 3].tolist(),
                "orientation": {"w": float(q[3]), "xyz": q[:3].tolist()},
                "cspace_position": dict.fromkeys(joints, grasp.width / 2),
                "pregrasp_cspace_position": dict.fromkeys(joints, hand.opening / 2),
            }
            for number, (pose, q, grasp) in rows
        },
    }


def from_isaac_grasp(values: Mapping[str, Any], hand: Hand = PANDA) -> list[Grasp]:
    """Inverse of `to_isaac_grasp`: the opening is twice the first joint's position.

    Raises:
        ExchangeError: another format, or entries that are missing or no numbers.
    """
    if not isinstance(values, Mapping) or values.get("format") != "isaac_grasp":
        raise ExchangeError("this is no isaac_grasp file: its format is not 'isaac_grasp'")
    each, T, told = entry(values, "grasps"), [], []
    if not isinstance(each, Mapping):
        raise ExchangeError(f"grasps are {reprlib.repr(each)}; they have names")
    for name, grasp in each.items():
        q, joints = entry(grasp, "orientation"), entry(grasp, "cspace_position")
        if not isinstance(joints, Mapping) or not joints:
            raise ExchangeError(f"{name} has no joints in cspace_position")
        T.append(pose_of(entry(grasp, "position"), [*entry(q, "xyz"), entry(q, "w")]))
        half = numbers([next(iter(joints.values()))], 1, "the joint's position")
        told.append((2 * float(half[0]), grasp.get("confidence")))
    return listed(T, told, "base", hand)


def to_graspnet(grasps: Sequence[Grasp], hand: Hand | None = None) -> Array:
    """(N, 17) of graspnetAPI: score, width, height, depth, rotation (9), position (3), object.

    The origin lies between the tips (depth 0), and no object is named (-1).
    """
    T = poses(grasps, "graspnet", hand)
    rows = np.zeros((len(grasps), 17))
    rows[:, 0] = [grasp.score for grasp in grasps]
    rows[:, 1] = [grasp.width for grasp in grasps]
    rows[:, 2], rows[:, 16] = GRASPNET_HEIGHT, -1
    rows[:, 4:13] = T[:, :3, :3].reshape(-1, 9)
    rows[:, 13:16] = T[:, :3, 3]
    return rows


def from_graspnet(rows: ArrayLike, hand: Hand = PANDA) -> list[Grasp]:
    """Inverse of `to_graspnet`: every grasp's origin lies its own depth behind the tips.

    Raises:
        ExchangeError: another shape, or rows that are no grasps.
    """
    array = np.asarray(rows, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 17:
        raise ExchangeError(f"graspnetAPI's grasps are (N, 17), these are {array.shape}")
    try:
        return [
            Grasp.from_convention(
                make_transform(row[4:13].reshape(3, 3), row[13:16]),
                float(row[1]),
                "graspnet",
                float(row[0]),
                hand=hand,
                depth=float(row[3]),
            )
            for row in array
        ]
    except ValueError as error:
        raise ExchangeError(f"these are no grasps: {error}") from None


def save_grasps(
    path: Path | str, grasps: Sequence[Grasp], *, frame: str = "", hand: Hand | None = None
) -> None:
    """Write grasps: `.json`, `.npz`, or `.yaml` for `isaac_grasp`.

    A plan's clearances, pre-grasps and retreats go into the first two, its drops into the first.

    Raises:
        ExchangeError: another suffix.
    """
    kind = _kind(path)
    if kind == "npz":
        arrays = {name: np.asarray(each) for name, each in to_arrays(grasps).items()}
        if isinstance(grasps, GraspList):
            facts = grasps.facts().items()
            arrays |= {name: each for name, each in facts if isinstance(each, np.ndarray)}
        write_atomically(path, pack_arrays({**arrays, "hand": np.str_(hand_of(grasps, hand).name)}))
    elif kind == "json":
        write_json(path, to_json(grasps, frame=frame, hand=hand))
    else:
        import yaml

        values = to_isaac_grasp(grasps, hand, object_frame=frame or "world")
        write_atomically(path, yaml.safe_dump(values, sort_keys=False))


def load_grasps(path: Path | str, hand: Hand = PANDA) -> list[Grasp]:
    """Read what `save_grasps` or other software wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ExchangeError: what is in it is no such file, naming it.
    """
    kind = _kind(path)
    try:
        if kind == "npz":
            return from_arrays(read_arrays(path), hand=hand)
        if kind == "json":
            return from_json(read_json(path), hand)
        return from_isaac_grasp(_read_yaml(path), hand)
    except FileNotFoundError:
        raise
    except (ValueError, OSError) as error:
        raise ExchangeError(f"{path}: {error}") from error


def hand_in_file(path: Path | str) -> Hand:
    """The hand that saved grasps are for: the one that a file of ours names, else the Panda's.

    Raises:
        FileNotFoundError: there is no such file.
        ExchangeError: it names a hand that does not come with equigrasp.
    """
    readers = {"json": read_json, "npz": read_arrays}
    values = readers.get(_kind(path), lambda _: {})(path)
    name = values.get("hand", PANDA.name) if isinstance(values, Mapping) else PANDA.name
    name = name.tolist() if isinstance(name, np.ndarray) else name
    if name not in (known := hand_names()):  # nor is a path in a file of somebody's followed
        raise ExchangeError(
            f"{path} is for a hand called {reprlib.repr(name)}; name one of {', '.join(known)} "
            "yourself, or its YAML file"
        )
    return load_hand(name)


def _read_yaml(path: Path | str) -> Any:
    import yaml

    try:
        return yaml.safe_load(Path(path).read_text())
    except (yaml.YAMLError, RecursionError) as error:
        raise ExchangeError(f"not YAML: {error}") from None


def _kind(path: Path | str) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise ExchangeError(f"'{path}' ends in '{suffix}'; choose one of {', '.join(SUFFIXES)}")
    return SUFFIXES[suffix]
