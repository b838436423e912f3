"""Depth images, intrinsics, poses and masks from the files that people have.

Every function takes a path and refuses what it cannot read with the remedy in the message. No file
can run code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equigrasp.data.files import read_json
from equigrasp.geometry.transforms import Matrix, check_rigid
from equigrasp.options import is_finite
from equigrasp.perception.camera import Intrinsics
from equigrasp.perception.distortion import undistort
from equigrasp.perception.units import to_metres

IMAGES = (".png", ".tif", ".tiff")
"""Endings of images; beside them `.npy` is read."""
SIZE = ("width", "height")
MATRICES = ("K", "k", "camera_matrix", "intrinsic_matrix")
"""Names under which files keep a camera matrix; the last one, Open3D's, column by column."""
PINHOLE = (("fx", "fy", "cx", "cy"), ("fx", "fy", "ppx", "ppy"))
DISTORTIONS = ("D", "d", "coeffs", "distortion_coefficients")
POSES = ("T_world_camera", "pose", "extrinsic")
UNIT = "depth_scale"


def read_depth(path: str | Path, scale: float | None = None) -> NDArray[np.float32]:
    """A depth image in metres.

    Args:
        path: `.npy`, or a PNG or TIFF of one channel.
        scale: metres per unit; needed where the file holds whole numbers.

    Returns:
        (H, W); 0 where there is no reading.

    Raises:
        FileNotFoundError: there is none.
        ValueError: no depth image, or whole numbers without a scale.
    """
    path = Path(path)
    values = read_image(path)
    if values.ndim != 2:
        raise ValueError(f"{path} has shape {values.shape}; a depth image has one value per pixel")
    if scale is not None and not (is_finite(scale) and scale > 0):
        raise ValueError(f"depth_scale is {scale}; give the metres of one unit, as 0.001")
    if np.issubdtype(values.dtype, np.floating):
        return values.astype(np.float32) * np.float32(1.0 if scale is None else scale)
    if not np.issubdtype(values.dtype, np.integer) or values.dtype.itemsize < 2:
        raise ValueError(f"{path} holds {values.dtype}, too coarse for depth; give 16 bits")
    if scale is None:
        raise ValueError(
            f"{path} holds whole numbers up to {values.max()}; say what one of them is in metres: "
            f"--depth-scale 0.001 if they are millimetres, or '{UNIT}' in the camera's file"
        )
    return to_metres(values, scale)


def read_image(path: str | Path) -> NDArray:
    """The numbers in a `.npy`, PNG or TIFF file, as they are.

    Raises:
        FileNotFoundError: there is none.
        ValueError: torn, or of another kind.
    """
    path = Path(path)
    if path.suffix.lower() not in (".npy", *IMAGES):
        raise ValueError(f"'{path.name}' has no known ending; use .npy, {', '.join(IMAGES)}")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        if path.suffix.lower() == ".npy":
            return np.load(path, allow_pickle=False)
        from PIL import Image

        with Image.open(path) as image:
            return np.asarray(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def read_mask(path: str | Path, camera: str | Path | None = None) -> NDArray[np.bool_]:
    """Pixels (H, W) of a mask: what is not 0, in any channel.

    Args:
        path: of the image.
        camera: of its camera's file, whose lens is undone as for `read_view`.
    """
    values = read_image(path)
    marked = values.any(-1) if values.ndim == 3 else values.astype(bool)
    lens = None if camera is None else lens_of(_read(camera))
    if lens is None:
        return marked
    return undistort(marked, read_camera(camera, marked.shape), lens) > 0


def read_view(
    depth: str | Path, camera: str | Path, scale: float | None = None
) -> tuple[NDArray[np.float32], Intrinsics]:
    """A depth image (H, W) in metres with its intrinsics, as a pinhole camera would have taken it.

    Args:
        depth: see `read_depth`.
        camera: see `read_camera`; it may hold the metres of one unit as `depth_scale`, and
            OpenCV's coefficients of a lens that bends lines, which are then undone.
        scale: metres of one unit, instead.

    Raises:
        FileNotFoundError, ValueError: as these two.
    """
    values = _read(camera)
    if scale is None and isinstance(values, Mapping):
        scale = values.get(UNIT)
    image = read_depth(depth, scale)
    intrinsics, lens = read_camera(camera, image.shape), lens_of(values)
    return image if lens is None else undistort(image, intrinsics, lens), intrinsics


def read_camera(path: str | Path, shape: Sequence[int] | None = None) -> Intrinsics:
    """Intrinsics from JSON.

    Known are our own form, RealSense's (`ppx`, `ppy`), ROS's CameraInfo (`K` or `k`), Open3D's
    (`intrinsic_matrix`), and a plain 3x3 matrix.

    Args:
        path: of the file.
        shape: (H, W) of the image, for files that do not tell the size.

    Raises:
        FileNotFoundError: there is none.
        ValueError: no intrinsics.
    """
    try:
        return camera_of(_read(path), shape)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def camera_of(values: Any, shape: Sequence[int] | None = None) -> Intrinsics:
    """Intrinsics from what a file of one of the forms of `read_camera` holds.

    Args:
        values: a mapping, or a 3x3 matrix.
        shape: see `read_camera`.

    Raises:
        ValueError: no intrinsics.
    """
    if isinstance(values, list):
        values = {"K": values}
    if not isinstance(values, Mapping):
        raise ValueError("it holds no intrinsics; give width, height, fx, fy, cx, cy")
    height, width = shape or (0, 0)
    size = {name: values.get(name, each) for name, each in zip(SIZE, (width, height), strict=True)}
    try:
        found = _intrinsics(values, size)
        found.validate()
    except TypeError as error:
        raise ValueError(str(error)) from error
    return found


def read_pose(path: str | Path) -> Matrix | None:
    """The camera's pose `T_world_camera` (4, 4) from JSON, `.npy` or text; None if it has none.

    Raises:
        FileNotFoundError: there is none.
        ValueError: no rigid transform.
    """
    values = _read(path)
    if isinstance(values, Mapping):
        name = next((name for name in POSES if name in values), None)
        if name is None:
            return None
        values = values[name]
    return check_rigid(values, f"{path}: T_world_camera")


def _read(path: str | Path) -> Any:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if path.suffix.lower() == ".npy":
        return read_image(path)
    if path.suffix.lower() == ".txt":
        return np.loadtxt(path)
    return read_json(path)


def lens_of(values: Any) -> NDArray[np.float64] | None:
    """OpenCV's coefficients of a lens that bends lines, None for one that does not.

    Args:
        values: what the file of a camera holds.
    """
    if not isinstance(values, Mapping):
        return None
    given = next((values[name] for name in DISTORTIONS if name in values), [])
    given = given.get("data", []) if isinstance(given, Mapping) else given
    found = np.asarray(given, np.float64)
    return found if found.any() else None  # what is no number is refused where it is used


def _intrinsics(values: Mapping[str, Any], size: Mapping[str, int]) -> Intrinsics:
    for names in PINHOLE:
        if set(names) <= set(values):
            return Intrinsics(*size.values(), *(values[name] for name in names))
    name = next((name for name in MATRICES if name in values), None)
    if name is None:
        raise ValueError("it holds no intrinsics; give width, height, fx, fy, cx, cy")
    matrix = values[name].get("data") if isinstance(values[name], Mapping) else values[name]
    matrix = np.asarray(matrix, float)
    if name == MATRICES[-1]:
        matrix = matrix.reshape(3, 3).T
    return Intrinsics.from_matrix(matrix, **size)
