"""The predicted shape of a scene as a mesh: marching cubes through the occupancy.

    shape = planner.reconstruct(depth, intrinsics, T_world_camera)
    shape.save("scene.ply")

Surfaces are extracted by PyMCubes. Its constrained smoothing (Lempitsky, "Surface Extraction from
Binary Volumes with Higher-Order Smoothness", CVPR 2010) finds the smoothest surface that leaves
every lattice point on its side.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.data.files import atomic_path
from equigrasp.geometry.marching import marching_cubes
from equigrasp.geometry.transforms import transform_points
from equigrasp.matter import OCCUPIED
from equigrasp.optional import require

if TYPE_CHECKING:
    import trimesh

RADIUS = 4
"""Points nearer to the surface than this many steps take part in the smoothing."""


@dataclass(frozen=True)
class SceneMesh:
    """The surface of everything on the table as one closed mesh.

    Attributes:
        vertices: (V, 3) float64, metres, in the frame asked for: that of the camera poses.
        faces: (F, 3) int64, anticlockwise seen from outside. Both are empty where nothing is
            predicted.
        occupancy: (K, K, K) float32 in [0, 1], the probability of matter in the middle of every
            voxel of the *workspace* cube; empty where no model was asked.
        reason: "ok", or why nothing was predicted: a key of `equigrasp.plan_result.REASONS`.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    occupancy: NDArray[np.float32] = field(repr=False)
    reason: str = "ok"

    @classmethod
    def none(cls, reason: str) -> SceneMesh:
        """No surface, and why."""
        nothing = np.zeros((0, 0, 0), np.float32)
        return cls(np.zeros((0, 3)), np.zeros((0, 3), np.int64), nothing, reason)

    @classmethod
    def of(cls, occupancy: NDArray[np.float32], side: float, *, smooth: bool = False) -> SceneMesh:
        """The surface of what an occupancy fills: see `occupancy_mesh`."""
        vertices, faces = occupancy_mesh(occupancy, side, smooth=smooth)
        return cls(vertices, faces, occupancy, "ok" if len(faces) else "empty_workspace")

    @classmethod
    def joined(cls, parts: Sequence[SceneMesh]) -> SceneMesh:
        """Surfaces of one frame as one; the occupancy is that of none of them.

        Raises:
            ValueError: there are none.
        """
        if not parts:
            raise ValueError("there are no shapes to join; give one at least")
        before = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
        faces = [part.faces + n for part, n in zip(parts, before, strict=True)]
        vertices = np.concatenate([part.vertices for part in parts])
        good = any(part.reason == "ok" for part in parts)
        whole = vertices, np.concatenate(faces), np.zeros((0, 0, 0), np.float32)
        return cls(*whole, "ok" if good else parts[0].reason)

    def transformed(self, T_new_old: ArrayLike) -> SceneMesh:
        """The same surface in another frame; the occupancy stays that of the workspace."""
        return replace(self, vertices=transform_points(np.asarray(T_new_old), self.vertices))

    def to_trimesh(self) -> trimesh.Trimesh:
        """The surface for trimesh, metres."""
        trimesh = require("trimesh", "a mesh")
        return trimesh.Trimesh(self.vertices, self.faces, process=False)

    def save(self, path: str | os.PathLike) -> Path:
        """Write the surface whole or not at all; the path that was given.

        Args:
            path: its ending says the format: .ply, .stl, .obj, .off or .glb.

        Raises:
            ValueError: another ending, or there is no surface.
        """
        path, endings = Path(path), (".ply", ".stl", ".obj", ".off", ".glb")
        if path.suffix.lower() not in endings:
            raise ValueError(f"'{path.name}' has no known ending; use {', '.join(endings)}")
        if not len(self.faces):
            raise ValueError(f"there is no surface to save ({self.reason})")
        with atomic_path(path) as unfinished:
            self.to_trimesh().export(unfinished, file_type=path.suffix[1:].lower())
        return path


def occupancy_mesh(
    occupancy: NDArray[np.floating], side: float, *, smooth: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Surface of what an occupancy fills, closed where that reaches the walls of the cube.

    Of a turned volume it has the turned vertices, see `equigrasp.geometry.marching`.

    Args:
        occupancy: (K, K, K) in [0, 1], at the middles of the voxels of a cube.
        side: of the cube, metres.
        smooth: whether the surface is the smoothest between the filled and the empty points. If
            not, it is where the interpolated occupancy is `OCCUPIED`.

    Returns:
        vertices (V, 3) in metres in the frame of the cube, and triangles (F, 3), anticlockwise seen
        from outside; both empty where nothing is filled.
    """
    # A frame of emptiness closes the surface; as wide as the smoothing reaches.
    level = np.pad(np.asarray(occupancy, np.float64), RADIUS + 1) - OCCUPIED
    if not (level > 0).any():
        return np.zeros((0, 3)), np.zeros((0, 3), np.int64)
    if smooth:
        level = _smoothed(level > 0)
    vertices, faces = marching_cubes(level, 0.0)
    vertices = (vertices - RADIUS - 1 + 0.5) * (side / len(occupancy))
    return vertices, faces


def _smoothed(filled: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Function whose zero is the smoothest surface between filled and empty points."""
    return require("mcubes", "smoothing").smooth(filled, method="constrained", band_radius=RADIUS)
