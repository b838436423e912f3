"""Pinhole cameras, the two evaluation views, and checks of what a camera delivers.

Pixels: the centre of row v, column u is at image coordinates (u, v), so its ray in the OpenCV
camera frame (x right, y down, z forward) is ((u - cx) / fx, (v - cy) / fy, 1). Depth is the z
coordinate in metres; 0, NaN and infinity mean that there is no reading.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from equigrasp.geometry.transforms import Matrix, is_rotation, look_at, transform_points
from equigrasp.workspace import WORKSPACE, Workspace

MIN_MEDIAN_DEPTH, MAX_MEDIAN_DEPTH = 0.05, 5.0
"""Plausible range of an image's median depth (m); outside it the unit is probably wrong."""


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
    def from_matrix(cls, K: NDArray, width: int, height: int) -> Intrinsics:
        """From a (3, 3) camera matrix without skew."""
        K = np.asarray(K, dtype=float)
        return cls(int(width), int(height), K[0, 0], K[1, 1], K[0, 2], K[1, 2])

    def to_dict(self) -> dict[str, float]:
        """JSON-able form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> Intrinsics:
        """Inverse of `to_dict`."""
        return cls(**values)

    def validate(self) -> None:
        """Refuse intrinsics that no depth camera has.

        Raises:
            ValueError: naming the value, the limit and the likely cause.
        """
        if self.width < 1 or self.height < 1:
            raise ValueError(f"image size is {self.width}x{self.height}; both must be positive")
        if not (self.fx > 0 and self.fy > 0):
            raise ValueError(f"fx={self.fx}, fy={self.fy}; focal lengths are positive pixels")
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
    """(n, 3) image coordinates u, v and depth z of world points (n, 3)."""
    T = np.asarray(T_world_camera, dtype=float)
    local = (np.asarray(points) - T[:3, 3]) @ T[:3, :3]
    z = local[:, 2]
    u = intrinsics.fx * local[:, 0] / z + intrinsics.cx
    v = intrinsics.fy * local[:, 1] / z + intrinsics.cy
    return np.stack([u, v, z], axis=1)


def valid_pixels(depth: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(H, W) where there is a reading: finite and positive."""
    return np.isfinite(depth) & (depth > 0)


def validate_depth(
    depth: NDArray, intrinsics: Intrinsics, T_world_camera: NDArray
) -> NDArray[np.float32]:
    """Check one depth image with its camera; return it as float32.

    Raises:
        ValueError: naming what is implausible, its value, and the likely cause.
    """
    depth = np.asarray(depth)
    if not np.issubdtype(depth.dtype, np.floating):
        raise ValueError(
            f"depth has dtype {depth.dtype}; give metres as floating point "
            "(a uint16 image in millimetres: divide by 1000)"
        )
    if depth.shape != (intrinsics.height, intrinsics.width):
        raise ValueError(
            f"depth has shape {depth.shape}, the intrinsics say "
            f"({intrinsics.height}, {intrinsics.width}); they must belong together"
        )
    intrinsics.validate()
    pose = np.asarray(T_world_camera, dtype=float)
    if pose.shape != (4, 4) or not is_rotation(pose[:3, :3], 1e-3):
        raise ValueError(
            f"T_world_camera has shape {pose.shape} or its rotation is not orthonormal with "
            "determinant +1; give a rigid (4, 4) camera-to-world matrix"
        )
    seen = valid_pixels(depth)
    median = float(np.median(depth[seen])) if seen.any() else None
    if median is not None and not MIN_MEDIAN_DEPTH <= median <= MAX_MEDIAN_DEPTH:
        raise ValueError(
            f"median depth is {median:.4g}, expected {MIN_MEDIAN_DEPTH} to {MAX_MEDIAN_DEPTH} m; "
            + ("it looks like millimetres, divide by 1000" if median > 50 else "check the unit")
        )
    return depth.astype(np.float32, copy=False)
