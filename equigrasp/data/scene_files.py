"""One scene per file: what the camera saw, which grasps were tried, and where the objects are.

A data set is a folder:

    DIR/manifest.json       what made it (equigrasp/data/manifest.py)
    DIR/scenes/000123.npz   scene 123; this module
    DIR/failed/000123.json  why scene 123 has no file
    DIR/logs/               tracebacks of failed scenes; not part of the data

A scene file is a zip of `.npy` arrays without pickles, so that `numpy.load` reads it too. Equal
records give equal bytes, and a file appears under its name in one rename after it has reached the
disk: a kill leaves a whole file or none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equigrasp.data.array_shapes import ArrayShape, misfit
from equigrasp.data.files import ArrayFileError, pack_arrays, read_arrays, write_atomically
from equigrasp.data.vocabulary import YAWS_PER_POINT
from equigrasp.perception.camera import Intrinsics

FORMAT_VERSION = 2
"""Raised whenever an array is added or changes its meaning. Version 1 is read as well: it lacks the
arrays of `ADDED`, which are then NaN."""

DEPTH_UNIT = 5e-5
"""Metres per step of the stored depth: 16 bits reach 3.27 m, beyond `FAR`."""
LARGEST_DEPTH = 65534.5 * DEPTH_UNIT
"""Depth from here on is the largest number that a file holds: no reading of a camera."""

Y = YAWS_PER_POINT
SCHEMA: dict[str, tuple[str, ArrayShape]] = {
    # name: (dtype, shape) with V views, G grasps, K objects, P points; U is text of any length.
    "format_version": ("i4", ()),
    "kind": ("U", ()),  # of a `SceneKind`, a word
    "seed": ("i8", ()),  # of the data set
    "index": ("i8", ()),  # of the scene; (seed, index) fixes everything else
    "labeller": ("U", ()),  # name, semantics and version of what made the labels
    "settled": ("?", ()),  # whether every object was at rest when the labels were made
    "view_names": ("U", ("V",)),  # "fixed", "random0", "random1", ...
    "depth": ("u2", ("V", "H", "W")),  # z in the camera frame | DEPTH_UNIT; 0 is no reading
    "intrinsics": ("f8", (6,)),  # width, height, fx, fy, cx, cy | pixels
    "T_world_camera": ("f8", ("V", 4, 4)),  # OpenCV axes | m
    "grasp_position": ("f4", ("G", 3)),  # between the finger tips | m
    "grasp_rotation": ("f4", ("G", 3, 3)),  # at yaw 0; yaw k is R @ Rz(k * pi / 5)
    "grasp_source": ("u1", ("G",)),  # 0 along a normal, 1 antipodal, 2 a model's
    "grasp_visible": ("?", ("G",)),  # surface point seen from the first view
    "yaw_success": ("?", ("G", Y)),
    "yaw_width": ("f4", ("G", Y)),  # opening after the trial | m
    "yaw_margin": ("f4", ("G", Y)),  # share of disturbed trials that hold too; NaN if none was made
    "yaw_fate": ("u1", ("G", Y)),  # how the trial ended (equigrasp.data.vocabulary.Fate)
    "yaw_audited": ("?", ("G", Y)),  # rejected by geometry, simulated all the same
    "object_id": ("U", ("K",)),
    "object_scale": ("f8", ("K",)),
    "object_mass": ("f8", ("K",)),  # as simulated; NaN where a file does not tell | kg
    "object_friction": ("f8", ("K",)),  # lateral friction as simulated; NaN likewise
    "T_world_object": ("f8", ("K", 4, 4)),  # URDF base frame | m
    "occ_points": ("f2", ("P", 3)),  # workspace frame | m
    "occ": ("?", ("P",)),  # whether the stored (rounded) point lies inside an object
}
ADDED = {2: {"yaw_margin": ("G", Y), "object_mass": ("K",), "object_friction": ("K",)}}
"""Arrays that a version of the format brought, and their shapes. They hold NaN where nothing is
known."""


class SceneFileError(ValueError):
    """A scene file is missing, torn, foreign, or of another version; the message names it."""


@dataclass(frozen=True)
class SceneRecord:
    """A scene in memory. Shapes and units are those of `SCHEMA`, but for the camera's.

    Attributes:
        depth: (V, H, W) float32 metres, exact to half a `DEPTH_UNIT`, without noise.
        intrinsics: one camera for all views.
    """

    kind: str
    seed: int
    index: int
    labeller: str
    settled: bool
    view_names: list[str]
    depth: NDArray[np.float32]
    intrinsics: Intrinsics
    T_world_camera: NDArray[np.float64]
    grasp_position: NDArray[np.float32]
    grasp_rotation: NDArray[np.float32]
    grasp_source: NDArray[np.uint8]
    grasp_visible: NDArray[np.bool_]
    yaw_success: NDArray[np.bool_]
    yaw_width: NDArray[np.float32]
    yaw_margin: NDArray[np.float32]
    yaw_fate: NDArray[np.uint8]
    yaw_audited: NDArray[np.bool_]
    object_id: list[str]
    object_scale: NDArray[np.float64]
    object_mass: NDArray[np.float64]
    object_friction: NDArray[np.float64]
    T_world_object: NDArray[np.float64]
    occ_points: NDArray[np.float16]
    occ: NDArray[np.bool_]
    format_version: int = FORMAT_VERSION


def scene_path(directory: str | Path, index: int) -> Path:
    """Path of scene `index` in a data set."""
    return Path(directory) / "scenes" / f"{index:06d}.npz"


def failed_path(directory: str | Path, index: int) -> Path:
    """Path of the note that says why scene `index` has no file."""
    return Path(directory) / "failed" / f"{index:06d}.json"


def encode_depth(depth: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Depth in metres as steps of `DEPTH_UNIT`; no reading (0, NaN, infinity) becomes 0.

    Raises:
        ValueError: if a reading is negative or beyond the 16-bit range.
    """
    depth = np.asarray(depth)
    seen = np.isfinite(depth)
    steps = np.rint(np.where(seen, depth, 0.0) / DEPTH_UNIT)
    limit = np.iinfo(np.uint16).max
    if steps.size and (steps.min() < 0 or steps.max() > limit):
        raise ValueError(
            f"depth spans {depth[seen].min():.4g} to {depth[seen].max():.4g} m; the file holds 0 "
            f"to {limit * DEPTH_UNIT:.4g} m; clip the image"
        )
    return steps.astype(np.uint16)


def decode_depth(steps: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Inverse of `encode_depth`: float32 metres."""
    return steps * np.float32(DEPTH_UNIT)


def write_scene(path: str | Path, record: SceneRecord) -> None:
    """Write a scene file atomically; its folder is made if need be.

    Raises:
        ValueError: if an array of the record has the wrong shape or type.
    """
    arrays = _to_arrays(record)
    faults = array_faults(arrays)
    if faults:
        raise ValueError(f"scene {record.index} cannot be written: {'; '.join(faults)}")
    write_atomically(path, pack_arrays(arrays))


def read_scene(path: str | Path) -> SceneRecord:
    """Read a scene file whole, checking its check sums, names, shapes and types.

    Raises:
        SceneFileError: naming the file and what is wrong with it.
    """
    try:
        arrays = read_arrays(path)
    except (ArrayFileError, OSError) as error:
        raise SceneFileError(f"scene file {path} cannot be read: {error}") from error
    arrays = upgraded(arrays)
    faults = array_faults(arrays)
    if faults:
        raise SceneFileError(f"scene file {path} is not one of ours: {'; '.join(faults)}")
    return _from_arrays(arrays)


def upgraded(arrays: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Arrays of the present version from those of an older one; anything else as it is."""
    result, version = dict(arrays), arrays.get("format_version")
    lengths = {"G": "grasp_position", "K": "object_id"}
    known = version is not None and version.shape == () and 1 <= version < FORMAT_VERSION
    if not known or not all(arrays.get(n, version).ndim for n in lengths.values()):
        return result
    for newer in range(int(version) + 1, FORMAT_VERSION + 1):
        for name, shape in ADDED[newer].items():
            size = [len(arrays[lengths[n]]) if isinstance(n, str) else n for n in shape]
            result.setdefault(name, np.full(size, np.nan, SCHEMA[name][0]))
    result["format_version"] = np.array(FORMAT_VERSION, SCHEMA["format_version"][0])
    return result


def array_faults(arrays: Mapping[str, NDArray]) -> list[str]:
    """What is wrong with the names, types and shapes of a scene's arrays; empty if nothing is."""
    version = arrays.get("format_version")
    if version is None:
        return ["format_version is missing"]
    if version.shape != () or version != FORMAT_VERSION:
        return [f"format version {version}; this program reads version {FORMAT_VERSION}"]
    faults = [f"array '{name}' is missing" for name in SCHEMA if name not in arrays]
    faults += [f"array '{name}' is unknown" for name in arrays if name not in SCHEMA]
    lengths: dict[str, int] = {}
    for name, (dtype, shape) in SCHEMA.items():
        if name in arrays:
            faults += _shape_faults(name, arrays[name], dtype, shape, lengths)
    return faults or _camera_faults(arrays["intrinsics"], arrays["depth"])


def _camera_faults(intrinsics: NDArray, depth: NDArray) -> list[str]:
    """Whether the images are of the size that the camera has."""
    if not np.isfinite(intrinsics).all():
        return ["intrinsics hold NaN or infinity"]
    width, height = intrinsics[:2].tolist()
    if depth.shape[1:] != (height, width):
        return [f"depth has shape {depth.shape}, intrinsics ({height:g}, {width:g})"]
    return []


def _shape_faults(
    name: str,
    array: NDArray,
    dtype: str,
    shape: ArrayShape,
    lengths: dict[str, int],
) -> list[str]:
    """Compare one array with its row of the schema; `lengths` binds V, G, K, P, H, W."""
    right_type = array.dtype.kind == "U" if dtype == "U" else array.dtype == np.dtype(dtype)
    if not right_type:
        return [f"array '{name}' has type {array.dtype}, expected {dtype}"]
    if (expected := misfit(array.shape, shape, lengths)) is not None:
        return [f"array '{name}' has shape {array.shape}, expected {expected}"]
    return []


def _to_arrays(record: SceneRecord) -> dict[str, NDArray]:
    k = record.intrinsics
    arrays: dict[str, NDArray] = {}
    for name, (dtype, _) in SCHEMA.items():
        if name == "depth":
            arrays[name] = encode_depth(record.depth)
        elif name == "intrinsics":
            arrays[name] = np.array([k.width, k.height, k.fx, k.fy, k.cx, k.cy], dtype="f8")
        else:
            # Explicit for text: an empty list of names has no text type of its own.
            arrays[name] = np.asarray(getattr(record, name)).astype(
                np.str_ if dtype == "U" else dtype, copy=False
            )
    return arrays


def _from_arrays(arrays: Mapping[str, NDArray]) -> SceneRecord:
    values: dict[str, object] = dict(arrays)
    width, height, *rest = arrays["intrinsics"].tolist()
    values["intrinsics"] = Intrinsics(int(width), int(height), *rest)
    values["depth"] = decode_depth(arrays["depth"])
    for name, (dtype, shape) in SCHEMA.items():
        if shape == ():
            values[name] = arrays[name].item()
        elif dtype == "U":
            values[name] = arrays[name].tolist()
    return SceneRecord(**values)
