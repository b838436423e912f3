"""What files of other versions and forks leave in an episode, checked and brought into one form."""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equigrasp.geometry.transforms import check_rigid
from equigrasp.options import is_whole
from equigrasp.policy.episodes.frames import CAMERAS, Demo, FrameCamera, FrameState

OPEN_FROM = 0.9
"""RLBench calls a gripper open from this share of its opening on; files may hold the share."""
SIZES = {"gripper_pose": 7, "joint_velocities": None}
"""Numbers that keyframes are made from, each with how many there are; None for any number."""
NO_CAMERAS = (
    "RLBench before 1.1 does not record where cameras are: record the demonstration again with a "
    "newer one"
)
"""What to do about episodes without any camera."""
_PLACE = "_camera_extrinsics"
"""Ending of the entry of `misc` that tells where a camera is."""
SIZE_TOLERANCE = 2.0
"""An image may differ by so many pixels from the size that its principal point speaks of."""


def checked_demo(found: Any) -> Demo:
    """A demonstration whose frames can be used: fields that no one needs may be absent.

    A gripper's opening that is given as a share becomes 1 or 0, as RLBench tells them apart.
    Velocities are needed where keyframes have to be found by them, not where they are marked.

    Raises:
        ValueError: it is no demonstration, or a frame lacks what keyframes are made from.
    """
    states = vars(found).get("_observations") if isinstance(found, Demo) else None
    if not isinstance(states, list) or not states:
        raise ValueError("holds no demonstration")
    if found.keyframes is not None:
        found.keyframes = checked_keyframes(found.keyframes, len(states))
    for index, state in enumerate(states):
        if not isinstance(state, FrameState):
            raise ValueError(f"frame {index} is {reprlib.repr(state)}, no observation")
        if fault := _settled(state, found.keyframes is not None):
            raise ValueError(f"frame {index} {fault}")
    return found


def checked_keyframes(marked: Any, count: int) -> list[int] | None:
    """Marks of the frames that end an action; None where nothing is marked.

    Args:
        marked: numbers of frames, or None.
        count: of the demonstration's frames.

    Raises:
        ValueError: they are not whole numbers that rise from 1 to the last frame, or there is none.
    """
    if marked is None:
        return None
    listed = list(marked) if isinstance(marked, list | tuple | np.ndarray) else []
    whole = all(is_whole(number) for number in listed)
    if not listed or not whole or sorted({0, *listed}) != [0, *listed]:
        raise ValueError(
            f"keyframes are {reprlib.repr(marked)}; give a list of numbers of frames that rise "
            "from 1 on (frame 0 is where the first action starts), such as [12, 40]"
        )
    if listed[-1] >= count:
        raise ValueError(
            f"keyframe {listed[-1]} is beyond the last frame, {count - 1}; frames count from 0"
        )
    return [int(number) for number in listed]


def _settled(state: FrameState, marked: bool) -> str:
    """Fill in what a frame lacks and nobody needs; what is wrong with the rest, or nothing.

    Args:
        state: of a frame.
        marked: whether keyframes are marked, so that velocities may be absent.
    """
    for name in FrameState.RECORDED:
        vars(state).setdefault(name, None)
    if not isinstance(vars(state).get("misc"), dict):
        state.misc = {}
    for name, count in SIZES.items():
        if marked and name == "joint_velocities" and getattr(state, name) is None:
            continue
        values = _numbers(getattr(state, name))
        if values is None or values.ndim != 1 or len(values) != (count or len(values)):
            given = reprlib.repr(getattr(state, name))
            return f"has {name} {given} where {count or 'some'} finite numbers belong"
    if np.linalg.norm(_numbers(state.gripper_pose)[3:]) < 1e-3:
        return "has a gripper_pose whose quaternion is zero"
    opening = _numbers(state.gripper_open)
    if opening is None or opening.size != 1 or not -0.1 <= opening.item() <= 1.1:
        return f"has gripper_open {reprlib.repr(state.gripper_open)}; it is 1 (open) or 0 (closed)"
    state.gripper_open = float(opening.item() >= OPEN_FROM)
    return ""


def _numbers(values: Any) -> NDArray[np.float64] | None:
    """Finite numbers as an array, None for anything else."""
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        return None
    return found if values is not None and found.size and np.isfinite(found).all() else None


def described_cameras(state: FrameState) -> list[str]:
    """Cameras that a frame tells the place of: RLBench's five in its order, then others."""
    told = [str(name) for name, value in state.misc.items() if value is not None]
    found = {name.removesuffix(_PLACE) for name in told if name.endswith(_PLACE)}
    return [*(name for name in CAMERAS if name in found), *sorted(found - set(CAMERAS))]


def checked_camera(camera: FrameCamera) -> FrameCamera:
    """A camera whose numbers can be one's.

    Raises:
        ValueError: naming what is wrong.
    """
    check_rigid(camera.extrinsics, "camera_extrinsics", tolerance=1e-2)
    K = np.asarray(camera.intrinsics, np.float64)
    if K.shape != (3, 3) or not np.isfinite(K).all() or abs(np.linalg.det(K)) < 1e-9:
        raise ValueError(f"camera_intrinsics are {K.tolist()}; give (3, 3) pixels")
    if not 0 <= camera.near < camera.far < np.inf:
        raise ValueError(
            f"camera_near is {camera.near} and camera_far {camera.far} m; need 0 <= near < far"
        )
    return camera


def size_fault(shape: tuple[int, ...], camera: FrameCamera) -> str:
    """Why an image (H, W, ...) is not of the size that its intrinsics speak of; empty if it is."""
    found = shape[:2]
    if camera.size is None:
        width, height = 2 * np.abs(camera.intrinsics[:2, 2])
        limit = max(SIZE_TOLERANCE, 0.02 * max(width, height))
    else:
        (width, height), limit = camera.size, 0
    if max(abs(found[1] - width), abs(found[0] - height)) <= limit:
        return ""
    return (
        f"is {found[1]}x{found[0]} pixels, its intrinsics are those of {width:g}x{height:g}; scale "
        "the intrinsics with the image"
    )


def sentences_of(value: Any) -> list[str]:
    """The sentences in a file of descriptions: a list of them, or a single one.

    Raises:
        ValueError: it holds something else, or nothing.
    """
    if isinstance(value, np.ndarray):
        value = value.tolist()
    listed = [value] if isinstance(value, str | bytes) else value
    if not isinstance(listed, list | tuple) or not listed:
        raise ValueError(f"holds {reprlib.repr(value)}; descriptions are a list of sentences")
    sentences = [
        each.decode("utf-8", "replace") if isinstance(each, bytes) else each for each in listed
    ]
    for each in sentences:
        if not isinstance(each, str) or not each.strip():
            raise ValueError(f"holds {reprlib.repr(each)} where a sentence belongs")
    return sentences


def variation_of(value: Any) -> int:
    """The number of a variation.

    Raises:
        ValueError: it is none.
    """
    number = _numbers(value)
    if number is None or number.size != 1 or number.item() != int(number.item()):
        raise ValueError(f"holds {reprlib.repr(value)}; the number of a variation is whole")
    return int(number.item())
