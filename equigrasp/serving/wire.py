"""What goes to a planner server and what comes back.

A request is an `.npz` (`application/x-npz`): `depth` (H, W) or (V, H, W), `intrinsics` (6,) or
(V, 6) in the order width, height, fx, fy, cx, cy; where they are known, `pose` (4, 4) or (V, 4, 4)
in OpenCV's axes; `mask` like `depth`; `options`, the bytes of JSON with keys of `OPTIONS`. The
answer is JSON: that of `equigrasp.exchange.to_json`, or {"error": a sentence}.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.data.files import pack_arrays, unpack_arrays
from equigrasp.exchange import from_json, to_json
from equigrasp.grasp import Grasp
from equigrasp.perception.camera import Intrinsics
from equigrasp.perception.units import to_metres
from equigrasp.wanted import Wanted

CONTENT = "application/x-npz"
MOST_BYTES = 64 << 20
"""Longest request; a depth image of a megapixel takes 4 MB before it is packed."""
MOST_UNPACKED = 512 << 20
"""Bytes that its arrays may take."""
ARRAYS = {"depth", "intrinsics", "pose", "mask", "options"}
NUMBERS = ("max_grasps", "time_budget")
OPTIONS = {*NUMBERS, "depth_scale", "box", "wanted", "avoid"}
WANTED = {"region", "approach", "within", "forbidden"}


class RequestError(ValueError):
    """A request cannot be understood; the message says what is wrong with it."""


class Request(NamedTuple):
    """What a planner is asked.

    Attributes:
        view: `depth`, `intrinsics` and `T_world_camera` (None where it is not known) and `mask` of
            `GraspPlanner.plan`.
        options: further arguments of it.
    """

    view: dict[str, Any]
    options: dict[str, Any]


def pack_request(
    depth: ArrayLike,
    intrinsics: Intrinsics | Sequence[Intrinsics],
    T_world_camera: ArrayLike | None = None,
    *,
    mask: ArrayLike | None = None,
    wanted: Wanted | None = None,
    avoid: Sequence[Grasp] = (),
    **options: Any,
) -> bytes:
    """A request as bytes; see `GraspPlanner.plan` and `plan_anywhere`, whose arguments these are.

    Args:
        depth: of images of one size.
        intrinsics, T_world_camera, mask, wanted, avoid: as for the planner.
        options: of `NUMBERS`, `depth_scale` and `box`.

    Raises:
        ValueError: an unknown option.
    """
    if unknown := sorted(set(options) - OPTIONS):
        raise ValueError(f"unknown options {unknown}; choose from {', '.join(sorted(OPTIONS))}")
    several = isinstance(intrinsics, Sequence)
    cameras = [list(each.to_dict().values()) for each in (intrinsics if several else [intrinsics])]
    arrays = {
        "depth": np.asarray(depth),
        "intrinsics": np.array(cameras if several else cameras[0]),
    }
    if T_world_camera is not None:
        arrays["pose"] = np.asarray(T_world_camera, dtype=np.float64)
    if mask is not None:
        arrays["mask"] = np.asarray(mask)
    told = {name: value for name, value in options.items() if value is not None}
    if wanted is not None:
        limits = {name: getattr(wanted, name) for name in WANTED}
        told["wanted"] = {name: value for name, value in limits.items() if value is not None}
    if avoid:
        told["avoid"] = to_json(list(avoid))
    arrays["options"] = np.frombuffer(json.dumps(told).encode(), np.uint8)
    return pack_arrays(arrays)


def read_request(data: bytes) -> Request:
    """Inverse of `pack_request`.

    Raises:
        RequestError: it is none.
    """
    try:
        arrays = unpack_arrays(data, MOST_UNPACKED)
        unknown = sorted(set(arrays) - ARRAYS)
        if unknown or not {"depth", "intrinsics"} <= set(arrays):
            raise ValueError(
                f"arrays are {sorted(arrays)}; needed are depth and intrinsics, known are "
                f"{', '.join(sorted(ARRAYS))}"
            )
        options = _options(arrays.get("options"))
        depth = arrays["depth"]
        if "depth_scale" in options:
            depth = to_metres(depth, _number(options.pop("depth_scale"), "depth_scale"))
        mask = options.pop("box", arrays.get("mask"))
        view = {
            "depth": depth,
            "intrinsics": _cameras(arrays["intrinsics"]),
            "T_world_camera": arrays.get("pose"),
            "mask": mask,
        }
        if "wanted" in options:
            options["wanted"] = _wanted(options["wanted"])
        if "avoid" in options:
            options["avoid"] = from_json(options["avoid"])
        for name in NUMBERS:
            if name in options:
                _number(options[name], name)
    except (ValueError, TypeError) as error:
        raise RequestError(str(error)) from error
    return Request(view, options)


def _options(data: NDArray | None) -> dict[str, Any]:
    if data is None:
        return {}
    try:
        found = json.loads(data.astype(np.uint8).tobytes().decode())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"options are no JSON: {error}") from None
    if not isinstance(found, dict) or set(found) - OPTIONS:
        raise ValueError(f"options are {str(found)[:200]}; known are {', '.join(sorted(OPTIONS))}")
    return found


def _cameras(rows: NDArray) -> Intrinsics | list[Intrinsics]:
    if rows.shape[-1:] != (6,) or rows.ndim > 2 or not np.isfinite(rows).all():
        raise ValueError(
            f"intrinsics have shape {rows.shape}; give (6,) or (V, 6): width, height, fx, fy, "
            "cx, cy"
        )
    found = [
        Intrinsics(int(row[0]), int(row[1]), *map(float, row[2:])) for row in rows.reshape(-1, 6)
    ]
    return found[0] if rows.ndim == 1 else found


def _wanted(values: Any) -> Wanted:
    if not isinstance(values, Mapping) or set(values) - WANTED:
        raise ValueError(f"wanted is {str(values)[:200]}; known are {', '.join(sorted(WANTED))}")
    pairs = [tuple(pair) for pair in values.get("forbidden", ())]
    return Wanted(**{**values, "forbidden": pairs})


def _number(value: Any, name: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
        raise ValueError(f"{name} is {str(value)[:100]}; give a number")
    return value
