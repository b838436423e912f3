"""A parallel-jaw hand as one value: what simulation, sweeps, planners, models and pictures read.

The hand is described in the grasp frame (TCP): origin between the finger tips, z along the
approach, y along the closing direction. `configs/hand/*.yaml` describe the hands that come with
the project; a hand of one's own is such a file, and a URDF if boxes do not do.
"""

from __future__ import annotations

import math
import os
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from equigrasp.home import CONFIGS

Vector = tuple[float, float, float]


class Box(NamedTuple):
    """An axis-aligned box: two opposite corners in metres."""

    lower: Vector
    upper: Vector


@dataclass(frozen=True)
class Hand:
    """A parallel-jaw hand. Lengths in metres, in the grasp frame.

    Attributes:
        name: what messages, model cards and manifests call it.
        opening: largest distance between the finger pads.
        finger_depth: from the finger root (the palm's surface) to the finger tips.
        tcp_from_base: along the approach, from the hand's own base frame to the TCP.
        base_rpy: roll, pitch, yaw of the base frame in the grasp frame, radians.
        palm_box: box around the palm.
        finger_box: box around the left finger, at +y, of the closed hand: its pad at y = 0, its
            tip at z = 0. The right one is this one turned by half a turn about z.
        closing_force: of each finger, newtons.
        friction: lateral friction of the fingers.
        masses: palm, and each finger, kg; unless the URDF says.
        palm_com, finger_com: centres of mass, in the base frame and in the finger's; None for the
            middle of the box.
        palm_mesh, finger_mesh: collision meshes of which the convex hull is taken, in the base
            frame and in the finger's; empty for the boxes above. A path, or one below
            `pybullet_data:`.
        finger_from_base: along the approach, from the base frame to the frame of the fingers.
        urdf: file from which the shapes of palm and fingers are read, in place of boxes and
            meshes; empty for none.
        finger_joints: names of its two prismatic joints, left (+y) and right.

    Raises:
        ValueError: naming the value and its limits.
    """

    name: str
    opening: float
    finger_depth: float
    tcp_from_base: float
    palm_box: Box
    finger_box: Box
    base_rpy: Vector = (0.0, 0.0, 0.0)
    closing_force: float = 20.0
    friction: float = 1.0
    masses: tuple[float, float] = (0.8, 0.1)
    palm_com: Vector | None = None
    finger_com: Vector | None = None
    palm_mesh: str = ""
    finger_mesh: str = ""
    finger_from_base: float = 0.0
    urdf: str = ""
    finger_joints: tuple[str, str] = field(default=("", ""))

    def __post_init__(self) -> None:
        for name in ("palm_box", "finger_box"):
            object.__setattr__(self, name, _box(name, getattr(self, name)))
        for name, count in (("base_rpy", 3), ("masses", 2), ("palm_com", 3), ("finger_com", 3)):
            value = getattr(self, name)
            if value is not None or not name.endswith("com"):
                object.__setattr__(self, name, _numbers(name, value, count))
        object.__setattr__(self, "finger_joints", tuple(map(str, self.finger_joints)))
        for name, low, high in LIMITS:
            value = _number(name, getattr(self, name))
            object.__setattr__(self, name, value)
            if not low < value <= high:
                raise ValueError(f"{name} is {value}; it lies in ({low}, {high}]")
        self._check()

    def _check(self) -> None:
        if not self.name:
            raise ValueError("name is empty; a hand is told from others by its name")
        if not all(mass > 0.0 for mass in self.masses):
            raise ValueError(f"masses are {self.masses} kg; give two above 0")
        if abs(self.finger_box.lower[1]) > 1e-6:
            raise ValueError(
                f"finger_box begins at y = {self.finger_box.lower[1]} m; it is that of the left "
                "finger of the closed hand, so its pad lies at y = 0"
            )
        if self.urdf and (len({*self.finger_joints}) != 2 or not all(self.finger_joints)):
            raise ValueError("a hand with a urdf names its two finger_joints, left and right")

    @classmethod
    def of(cls, value: Hand | Mapping[str, Any]) -> Hand:
        """A hand from what a card, a manifest or a configuration holds; a hand is returned as is.

        Raises:
            ValueError: unknown or missing entries, named.
        """
        if isinstance(value, Hand):
            return value
        if not isinstance(value, Mapping):
            raise ValueError(f"a hand is described by names and values, not by {value!r}")
        values = {key: entry for key, entry in value.items() if key != "_target_"}
        known = {f.name for f in fields(cls)}
        needed = {"name", "opening", "finger_depth", "tcp_from_base", "palm_box", "finger_box"}
        unknown, missing = sorted(set(values) - known), sorted(needed - set(values))
        if unknown or missing:
            raise ValueError(f"this is no hand: {unknown} are unknown, {missing} are missing")
        return cls(**values)

    def to_dict(self, *, folders: bool = False) -> dict[str, Any]:
        """JSON-able form; `Hand.of` is its inverse.

        Args:
            folders: keep the paths of this machine, for another process on it. What is written
                down or given away holds the names of files alone.
        """
        values = asdict(self)
        if not folders:
            values |= {name: _public(values[name]) for name in FILES}
        return _plain(values)

    def differences(self, other: Hand) -> list[str]:
        """What differs between two hands, one line each; where files lie does not count."""
        mine, theirs = self.to_dict(), other.to_dict()
        return [f"{k}: {mine[k]!r}, {theirs[k]!r}" for k in mine if mine[k] != theirs[k]]


FILES = ("palm_mesh", "finger_mesh", "urdf")
"""Fields of a hand that name files."""
LIMITS = (
    ("opening", 0.0, 0.5),
    ("finger_depth", 0.0, 0.3),
    ("tcp_from_base", 0.0, 1.0),
    ("closing_force", 0.0, 1000.0),
    ("friction", 0.0, 10.0),
    ("finger_from_base", -1.0, 1.0),
)
"""(field, above, up to) of a hand's numbers."""


def require_same_hand(first: Hand, first_owner: str, second: Hand, second_owner: str) -> None:
    """Refuse to bring together what was made for two different hands.

    Args:
        first, second: the hands.
        first_owner, second_owner: what they belong to, for the message: "the model", "data/pile".

    Raises:
        ValueError: naming both hands, what differs, and the remedy.
    """
    if differences := first.differences(second):
        raise ValueError(
            f"{first_owner} is for the hand '{first.name}', {second_owner} for '{second.name}' "
            f"({'; '.join(differences[:3])}); use the same hand for both"
        )


def load_hand(name_or_path: str | Path) -> Hand:
    """A hand by the name of a file in `configs/hand`, or from a YAML file of one's own.

    Paths of meshes and of the URDF are taken relative to the YAML file.

    Raises:
        ValueError: there is none of that name, or the file describes no hand.
    """
    if str(name_or_path) == PANDA.name:
        return PANDA
    import yaml

    path = _hand_file(str(name_or_path))
    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {error}") from error
    try:
        hand = Hand.of(values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error
    placed = {
        name: str(path.parent / getattr(hand, name))
        for name in FILES
        if getattr(hand, name) and ":" not in getattr(hand, name)
    }
    return Hand(**{**{f.name: getattr(hand, f.name) for f in fields(hand)}, **placed})


def some_hand(value: Hand | str | PathLike) -> Hand:
    """A hand as it is, or by a name or file as `load_hand` takes them.

    Raises:
        ValueError: it is none of these, or `load_hand` refuses it.
    """
    if isinstance(value, Hand):
        return value
    if not isinstance(value, (str, PathLike)):
        raise ValueError(
            f"hand is {reprlib.repr(value)}; give a Hand, the name of one, or a YAML file"
        )
    return load_hand(os.fspath(value))


def _hand_file(name_or_path: str) -> Path:
    if name_or_path.endswith((".yaml", ".yml")):
        if not Path(name_or_path).is_file():
            raise ValueError(f"there is no file {name_or_path}; give a hand's YAML file")
        return Path(name_or_path)
    if name_or_path not in (known := hand_names()):
        raise ValueError(
            f"no hand is called '{name_or_path}'; give one of {', '.join(known)}, or a YAML file"
        )
    return CONFIGS / "hand" / f"{name_or_path}.yaml"


def hand_names() -> list[str]:
    """Names of the hands that come with equigrasp."""
    return sorted({PANDA.name, *(path.stem for path in (CONFIGS / "hand").glob("*.yaml"))})


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {value!r}; give a number") from None


def _numbers(name: str, values: Any, count: int) -> tuple[float, ...]:
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{name} is {values!r}; give {count} numbers")
    return numbers


def _box(name: str, value: Any) -> Box:
    if isinstance(value, Mapping):
        value = (value.get("lower"), value.get("upper"))
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise ValueError(f"{name} is {value!r}; give its lower and its upper corner")
    box = Box(*(_numbers(name, corner, 3) for corner in value))
    if not all(low < high for low, high in zip(*box, strict=True)):
        raise ValueError(f"{name} is {value!r}; its lower corner is not below its upper one")
    return box


def _public(path: str) -> str:
    return path if ":" in path else PurePosixPath(path.replace("\\", "/")).name


def _plain(value: Any) -> Any:
    """Tuples as lists, so that a value equals what JSON gives back."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value


PANDA = Hand(
    name="panda",
    opening=0.08,
    finger_depth=0.05,
    tcp_from_base=0.112,
    palm_box=Box((-0.032, -0.102, -0.14), (0.032, 0.102, -0.046)),
    finger_box=Box((-0.0115, 0.0, -0.046), (0.0115, 0.026, 0.0)),
    palm_mesh="pybullet_data:franka_panda/meshes/collision/hand.obj",
    finger_mesh="pybullet_data:franka_panda/meshes/collision/finger.obj",
    finger_from_base=0.0584,
    masses=(0.81, 0.1),
    palm_com=(0.0, 0.0, 0.04),
    finger_com=(0.0, 0.01, 0.02),
)
"""The Franka hand of the published protocols, and of everything that names no hand."""
