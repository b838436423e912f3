"""What a MuJoCo model is put together from: pieces that add themselves to a specification.

A rigid body is the convex parts of its URDF, the same that Bullet gets. Mass and centre of mass are
those of the file, the inertia that of the parts filled evenly, whatever the file says of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from sim.objects.spec import MeshFault
from sim.objects.urdf import read_urdf
from sim.scene.table import Table

THINGS = {"contype": 1, "conaffinity": 1}
HAND = {"contype": 2, "conaffinity": 1}
"""Collision bits: parts of a hand pass through each other, all else touches."""
CONTACT = {"solref": (0.005, 1.0), "solimp": (0.99, 0.999, 0.001, 0.5, 2.0)}
"""Stiff contacts: 20 N press fingers less than 0.1 mm into a light thing. MuJoCo's own values are
soft enough for fingers to meet inside it."""
FLOOR_INERTIA = 1e-9
"""Least principal inertia, kg m2, below which a solver has no digits left."""


class Piece(ABC):
    """Something in the world; each of its bodies is named "NUMBER" or "NUMBER/PART"."""

    @abstractmethod
    def add_to(self, spec: mujoco.MjSpec, name: str) -> None:
        """Add what it is to a specification; its bodies' names begin with `name`."""

    def before_step(self, model: mujoco.MjModel, data: mujoco.MjData, name: str) -> None:  # noqa: B027
        """What it does by itself before every step of the engine; most do nothing."""


@dataclass
class Ground(Piece):
    """The table: the half space below its top, for nothing gets under it."""

    table: Table

    def add_to(self, spec: mujoco.MjSpec, name: str) -> None:
        """Add it as a body that stays."""
        x, y, z = self.table.centre
        half = self.table.half_extents
        body = spec.worldbody.add_body(name=name, pos=(x, y, z + half[2]))
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_PLANE,
            size=(half[0], half[1], 0.1),
            friction=(self.table.friction, 0.0, 0.0),
            **THINGS,
            **CONTACT,
        )


@dataclass
class Rigid(Piece):
    """A body of convex parts.

    Attributes:
        parts: (n, 3) vertices of each part in the base frame, metres.
        mass: kg; 0 for one that stays where it is.
        com: (3,) centre of mass in the base frame, metres.
        unit_inertia: (3, 3) about it, for a mass of 1 kg.
        friction: lateral.
        T: (4, 4) pose of the base frame when it was loaded.
    """

    parts: tuple[np.ndarray, ...]
    mass: float
    com: np.ndarray
    unit_inertia: np.ndarray
    friction: float
    T: np.ndarray = field(default_factory=lambda: np.eye(4))

    @property
    def vertices(self) -> np.ndarray:
        """(n, 3) vertices of all parts in the base frame, metres."""
        return np.concatenate(self.parts)

    def add_to(self, spec: mujoco.MjSpec, name: str) -> None:
        """Add it as a free body, or as one that stays."""
        body = spec.worldbody.add_body(name=name, pos=self.T[:3, 3], quat=wxyz(self.T[:3, :3]))
        if self.mass > 0.0:
            body.add_freejoint(name=name)
            set_inertia(body, self.mass, self.com, self.unit_inertia)
        friction = (self.friction, 0.0, 0.0)
        add_meshes(spec, body, name, self.parts, friction=friction, **THINGS, **CONTACT)


def rigid_from_urdf(urdf: Path, scale: float, T_world_base: np.ndarray) -> Rigid:
    """The body that a URDF of one link describes.

    Args:
        scale: of all lengths; the mass stays.
        T_world_base: (4, 4) pose of its base frame.

    Raises:
        ValueError: naming the file, if it cannot be read.
    """
    try:
        stat = urdf.stat()
        read = _read(urdf, stat.st_mtime_ns, stat.st_size)
    except (MeshFault, OSError) as error:
        raise ValueError(f"MuJoCo cannot load '{urdf.name}': it {error}") from error
    return Rigid(
        tuple(part * scale for part in read.parts),
        read.mass,
        read.com * scale,
        read.unit_inertia * scale**2,
        read.friction,
        np.array(T_world_base, dtype=np.float64),
    )


@lru_cache(maxsize=512)
def _read(urdf: Path, changed: int, size: int) -> Rigid:
    """A URDF at scale 1; the date of the file and its size tell whether it is still the same."""
    link = read_urdf(urdf)
    parts = link.convex_parts()
    if not parts:
        raise MeshFault("has no collision shapes")
    vertices = tuple(np.array(part.vertices, dtype=np.float64) for part in parts)
    com = np.array(link.com, dtype=np.float64)
    return Rigid(vertices, link.mass, com, unit_inertia(parts, com), link.friction)


def unit_inertia(parts: Iterable[trimesh.Trimesh], com: np.ndarray) -> np.ndarray:
    """(3, 3) inertia in m2 of 1 kg spread evenly over solids, about a point.

    Args:
        parts: convex; where they overlap, matter counts twice.
        com: (3,) the point, where the mass is said to have its centre.
    """
    solids = [part.convex_hull for part in parts]
    volume = sum(solid.volume for solid in solids)
    total = np.zeros((3, 3))
    for solid in solids:
        arm = np.asarray(solid.center_mass) - com
        total += solid.moment_inertia + solid.volume * (arm @ arm * np.eye(3) - np.outer(arm, arm))
    return total / volume


def set_inertia(body: Any, mass: float, com: Sequence[float], unit: np.ndarray) -> None:
    """Give a body of a specification its mass (kg), centre (3,) and `unit_inertia` (3, 3)."""
    moments, axes = np.linalg.eigh(unit * mass)
    if np.linalg.det(axes) < 0.0:
        axes[:, 0] = -axes[:, 0]
    body.mass, body.ipos, body.iquat = mass, com, wxyz(axes)
    body.inertia = np.maximum(moments, FLOOR_INERTIA)
    body.explicitinertial = True


def add_meshes(
    spec: mujoco.MjSpec, body: Any, name: str, parts: Iterable[np.ndarray], **options: Any
) -> None:
    """Add convex parts, (n, 3) vertices each in the body's frame, to a body.

    Args:
        name: begins the names of the meshes.
        options: of each geom.
    """
    for number, vertices in enumerate(parts):
        mesh = spec.add_mesh(name=f"{name}.{number}")
        mesh.uservert = np.ascontiguousarray(vertices, dtype=np.float64).ravel().tolist()
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=f"{name}.{number}", **options)


def wxyz(rotation: np.ndarray) -> list[float]:
    """Unit quaternion of a (3, 3) rotation, w first as MuJoCo has it."""
    x, y, z, w = Rotation.from_matrix(rotation).as_quat().tolist()
    return [w, x, y, z]
