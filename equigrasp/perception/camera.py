"""Pinhole cameras, the two evaluation views, and checks of what a camera delivers.

Pixels: the centre of row v, column u is at image coordinates (u, v), so its ray in the OpenCV
camera frame (x right, y down, z forward) is ((u - cx) / fx, (v - cy) / fy, 1). Depth is the z
coordinate in metres; 0, NaN and infinity mean that there is no reading.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.geometry.transforms import Matrix, check_rigid, look_at, transform_points
from equigrasp.options import is_finite, is_whole
from equigrasp.workspace import WORKSPACE, Workspace

MIN_MEDIAN_DEPTH, MAX_MEDIAN_DEPTH = 0.05, 5.0
"""Plausible range of an image's median depth (m); outside it the unit is probably wrong."""
NEAREST_PERCENT = 5
"""An open room has a median beyond that range, but not its nearest few percent of readings."""
FOCAL_SHARES = (0.1, 20.0)
"""Plausible focal lengths in image widths: views of 157 to 3 degrees."""
SATURATED = tuple(65535 / per_metre for per_metre in (1000, 4000, 5000, 10_000))
"""What the largest 16-bit number is in metres, in the units of depth cameras: no reading."""


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole intrinsics in pixels; see the module for the pixel convention."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    @property
    def K(self) -> Matrix:
        """(3, 3) camera matrix."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @classmethod
    def from_matrix(cls, K: ArrayLike, width: int, height: int) -> Intrinsics:
        """From a camera matrix without skew, as (3, 3) or as nine numbers row by row.

        Raises:
            ValueError: another shape, a transposed matrix, skew, or see `validate`.
        """
        matrix = _numbers(K, "K")
        if matrix.shape not in ((3, 3), (9,)):
            hint = "; of a projection matrix take the left three columns"
            raise ValueError(
                f"K has shape {matrix.shape}; give (3, 3)"
                + (hint if matrix.shape in ((3, 4), (12,)) else "")
            )
        matrix = matrix.reshape(3, 3)
        (fx, skew, cx), (below, fy, cy), last = matrix
        if not np.allclose(last, (0, 0, 1), atol=1e-6):
            raise ValueError(
                f"the last row of K is {last.tolist()}, not 0 0 1; it may be transposed, or scaled"
            )
        if max(abs(skew), abs(below)) > 1e-3 * abs(fx):
            raise ValueError(
                f"K has a skew of {skew:.4g} and {below:.4g} px; the camera model has none: "
                "rectify the image, or check the order of K's entries"
            )
        found = cls(width, height, *(float(value) for value in (fx, fy, cx, cy)))
        found.validate()
        return found

    def to_dict(self) -> dict[str, float]:
        """JSON-able form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> Intrinsics:
        """Inverse of `to_dict`.

        Raises:
            ValueError: entries are missing or unknown.
        """
        names = [each.name for each in fields(cls)]
        if not isinstance(values, Mapping) or set(values) != set(names):
            raise ValueError(f"intrinsics are {reprlib.repr(values)}; give {', '.join(names)}")
        return cls(**values)

    def validate(self) -> None:
        """Refuse intrinsics that no depth camera has.

        Raises:
            ValueError: naming the value, the limit and the likely cause.
        """
        if not (is_whole(self.width) and is_whole(self.height)):
            raise ValueError(f"image size is {self.width!r}x{self.height!r}; give whole pixels")
        if self.width < 1 or self.height < 1:
            raise ValueError(f"image size is {self.width}x{self.height}; both must be positive")
        for name in ("fx", "fy", "cx", "cy"):
            if not is_finite(getattr(self, name)):
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; focal lengths and the principal point "
                    "are finite pixels"
                )
        if not (self.fx > 0 and self.fy > 0):
            raise ValueError(f"fx={self.fx}, fy={self.fy}; focal lengths are positive pixels")
        least, most = (share * self.width for share in FOCAL_SHARES)
        if not least < self.fx < most:
            raise ValueError(
                f"fx is {self.fx:.4g} px for an image {self.width} px wide, expected {least:.4g} "
                f"to {most:.4g}; give pixels: millimetres of focal length divided by those of a "
                "pixel, or the share of the width times the width"
            )
        if not 0.5 < self.fx / self.fy < 2.0:
            raise ValueError(
                f"fx/fy is {self.fx / self.fy:.3g}, expected 0.5 to 2; check the order"
            )
        if not (0 <= self.cx <= self.width and 0 <= self.cy <= self.height):
            raise ValueError(
                f"principal point ({self.cx}, {self.cy}) lies outside the {self.width}x"
                f"{self.height} image; cx and cy may be swapped, or belong to another resolution"
            )


DEFAULT_INTRINSICS = Intrinsics(640, 480, 540.0, 540.0, 320.0, 240.0)
"""Camera of the published simulation (VGN, GIGA, IGD)."""

NEAR, FAR = 0.10, 2.00
"""Depth range of the simulated camera, metres; background reads `FAR`."""


def view_on_sphere(
    radius: float, polar: float, azimuth: float, target: tuple[float, float, float]
) -> Matrix:
    """`T_world_camera` of a camera on a sphere around `target`, looking at it, up along z.

    Args:
        radius: metres.
        polar: angle from the vertical, radians.
        azimuth: angle from x about z, radians.
    """
    direction = np.array(
        [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)]
    )
    return look_at(np.asarray(target) + radius * direction, target)


def fixed_view(workspace: Workspace = WORKSPACE) -> Matrix:
    """`T_world_camera` of the published side view: 0.6 m away, 60 degrees off the vertical.

    It looks at the point 5 cm above the middle of the table.
    """
    target = (workspace.side / 2, workspace.side / 2, workspace.table_height + 0.05)
    return view_on_sphere(0.6, np.pi / 3, -np.pi / 2, target)


def random_view(rng: np.random.Generator, workspace: Workspace = WORKSPACE) -> Matrix:
    """`T_world_camera` drawn as in the random-view evaluation of Equivariant Volumetric Grasping.

    Radius U[0.45, 0.60] m, polar angle U[45, 75] degrees, azimuth U[0, 180] degrees; it looks at
    the middle of the workspace.
    """
    radius = rng.uniform(0.45, 0.60)
    polar, azimuth = np.deg2rad([rng.uniform(45.0, 75.0), rng.uniform(0.0, 180.0)])
    return view_on_sphere(radius, polar, azimuth, (workspace.side / 2,) * 3)


def pixel_rays(intrinsics: Intrinsics) -> NDArray[np.float32]:
    """(H, W, 3) rays of all pixels in the camera frame, scaled to z = 1."""
    u = (np.arange(intrinsics.width, dtype=np.float32) - intrinsics.cx) / intrinsics.fx
    v = (np.arange(intrinsics.height, dtype=np.float32) - intrinsics.cy) / intrinsics.fy
    rays = np.ones((intrinsics.height, intrinsics.width, 3), dtype=np.float32)
    rays[..., 0], rays[..., 1] = u[None, :], v[:, None]
    return rays


def depth_to_points(
    depth: NDArray[np.floating],
    intrinsics: Intrinsics,
    T_world_camera: NDArray,
    *,
    max_depth: float = np.inf,
) -> Matrix:
    """World coordinates (n, 3) of all readings nearer than `max_depth`, in row-major order."""
    seen = valid_pixels(depth) & (depth < max_depth)
    camera = pixel_rays(intrinsics)[seen].astype(np.float64) * depth[seen][:, None]
    return transform_points(T_world_camera, camera)


def project(points: NDArray, intrinsics: Intrinsics, T_world_camera: NDArray) -> Matrix:
    """(n, 3) image coordinates u, v and depth z of world points (n, 3).

    Points in the plane of the camera (z = 0) have no image: their u and v are infinite or NaN.
    """
    T = np.asarray(T_world_camera, dtype=float)
    local = (np.asarray(points) - T[:3, 3]) @ T[:3, :3]
    z = local[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        u = intrinsics.fx * local[:, 0] / z + intrinsics.cx
        v = intrinsics.fy * local[:, 1] / z + intrinsics.cy
    return np.stack([u, v, z], axis=1)


def valid_pixels(depth: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(H, W) where there is a reading: finite and positive."""
    return np.isfinite(depth) & (depth > 0)


def validate_depth(
    depth: ArrayLike, intrinsics: Intrinsics, T_world_camera: ArrayLike
) -> NDArray[np.float32]:
    """Check one depth image with its camera; return it as float32.

    Pixels under a mask, and those that read the largest value of a 16-bit camera, have no reading
    and come back as 0.

    Raises:
        ValueError: naming what is implausible, its value, and the likely cause.
    """
    image = np.ma.filled(_floats(depth), np.nan)
    if not isinstance(intrinsics, Intrinsics):
        raise ValueError(
            f"intrinsics is of type {type(intrinsics).__name__}; give Intrinsics, for a matrix "
            "Intrinsics.from_matrix(K, width, height)"
        )
    if image.shape != (intrinsics.height, intrinsics.width):
        raise ValueError(
            f"depth has shape {image.shape}, the intrinsics say "
            f"({intrinsics.height}, {intrinsics.width}); they must belong together"
        )
    intrinsics.validate()
    check_rigid(T_world_camera, "T_world_camera")
    if (image < 0).sum() > (image > 0).sum():
        raise ValueError("most of depth is negative; give z along the view as positive metres")
    image = image.astype(np.float32, copy=False)
    if (image > min(SATURATED) - 0.01).any():
        hole = np.isclose(image[..., None], SATURATED, rtol=1e-6).any(-1)
        image = np.where(hole, np.float32(0), image)
    check_unit(image)
    return image


def check_unit(depth: NDArray[np.floating]) -> None:
    """Refuse readings that can hardly be metres: nearly all too far, or most too near.

    Args:
        depth: (H, W) as a camera delivers it.

    Raises:
        ValueError: naming the median, its limits and the likely unit.
    """
    readings = depth[valid_pixels(depth)]
    if not len(readings):
        return
    median = float(np.median(readings))
    if MIN_MEDIAN_DEPTH <= median <= MAX_MEDIAN_DEPTH:
        return
    if median < MIN_MEDIAN_DEPTH or np.percentile(readings, NEAREST_PERCENT) > MAX_MEDIAN_DEPTH:
        unit = "millimetres, divide by 1000" if median > 200 else "centimetres, divide by 100"
        raise ValueError(
            f"median depth is {median:.4g}, expected {MIN_MEDIAN_DEPTH} to {MAX_MEDIAN_DEPTH} m; "
            + (f"it looks like {unit}" if median > 20 else "check the unit")
        )


def _numbers(values: ArrayLike, name: str) -> Matrix:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is not an array of numbers") from None


def _floats(depth: ArrayLike) -> NDArray[np.floating]:
    """An image of real numbers, with its mask if it has one."""
    try:
        image = np.ma.asanyarray(depth) if np.ma.isMaskedArray(depth) else np.asarray(depth)
    except (TypeError, ValueError):
        raise ValueError("depth is not an array of numbers; its rows differ in length") from None
    if not np.issubdtype(image.dtype, np.floating):
        raise ValueError(
            f"depth has dtype {image.dtype}; give metres as floating point, or tell the planner "
            "what one unit is (depth_scale=0.001 for millimetres)"
        )
    return image
