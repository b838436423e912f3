"""The three rigid parts of a hand, palm and fingers, each made of convex shapes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from equigrasp.hand import Box, Hand, Vector
from equigrasp.optional import require

SHIPPED = "pybullet_data:"
"""Begins the name of a mesh that comes with PyBullet."""
COPIES = Path(__file__).parent / "meshes"
"""Those of them that are here too, byte for byte: the Panda hand needs no PyBullet."""


@dataclass(frozen=True, eq=False)
class Shape:
    """One convex shape of a part.

    Attributes:
        hull: in the frame of its part.
        file: mesh whose convex hull it is, turned by `rpy`; None for a hull that is in no file.
        rpy: roll, pitch, yaw of the file's frame in that of the part, radians.
    """

    hull: trimesh.Trimesh
    file: Path | None = None
    rpy: Vector = (0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Part:
    """A rigid part of a hand. The axes of its frame are those of the grasp frame.

    Attributes:
        shapes: what it is made of.
        origin: of its frame, of the closed hand, from the origin of the hand's base frame; metres.
        mass: kg.
        com: centre of mass in its frame, metres.
    """

    shapes: tuple[Shape, ...]
    origin: Vector
    mass: float
    com: Vector


def described_parts(hand: Hand) -> tuple[Part, Part, Part]:
    """Palm, left and right finger of a hand that is described by boxes or meshes, not by a URDF.

    Raises:
        ValueError: if a mesh cannot be read.
    """
    palm = _shape(hand, hand.palm_mesh, hand.palm_box, 0.0)
    finger = _shape(hand, hand.finger_mesh, hand.finger_box, hand.finger_from_base)
    left, right = (_about_approach(finger, turn) for turn in (0.0, np.pi))
    root = (0.0, 0.0, hand.finger_from_base)
    palm_com = _com(hand, hand.palm_com, palm)
    x, y, z = _com(hand, hand.finger_com, left)
    return (
        Part((palm,), (0.0, 0.0, 0.0), hand.masses[0], palm_com),
        Part((left,), root, hand.masses[1], (x, y, z)),
        Part((right,), root, hand.masses[1], (0.0 - x, 0.0 - y, z)),
    )


def _com(hand: Hand, com: Vector | None, shape: Shape) -> Vector:
    """Centre of mass in the frame of a part, given in the hand's own axes or not at all."""
    if com is None:
        return tuple(shape.hull.bounds.mean(axis=0).tolist())
    return tuple((Rotation.from_euler("xyz", hand.base_rpy).as_matrix() @ com).tolist())


def _shape(hand: Hand, mesh: str, box: Box, root: float) -> Shape:
    """The only shape of a part whose frame lies `root` metres before the hand's base."""
    if not mesh:
        return Shape(
            trimesh.creation.box(bounds=np.add(box, (0.0, 0.0, hand.tcp_from_base - root)))
        )
    path = _mesh_path(mesh)
    try:
        hull = trimesh.load(path, force="mesh", process=True).convex_hull
    except Exception as error:  # every importer has exceptions of its own
        raise ValueError(
            f"the mesh '{mesh}' of the hand '{hand.name}' cannot be read: {error}"
        ) from error
    turn = trimesh.transformations.euler_matrix(*hand.base_rpy, axes="sxyz")
    return Shape(hull.apply_transform(turn), path, hand.base_rpy)


def _about_approach(shape: Shape, angle: float) -> Shape:
    """A shape turned about the approach, through the origin of its part."""
    turn = trimesh.transformations.rotation_matrix(angle, (0.0, 0.0, 1.0))
    hull = shape.hull.copy().apply_transform(turn)
    if shape.file is None:
        return Shape(hull)
    roll, pitch, yaw = shape.rpy
    # These are turns about fixed axes: one about z comes last, and adds to yaw.
    return Shape(hull, shape.file, (roll, pitch, yaw + angle))


def _mesh_path(text: str) -> Path:
    if not text.startswith(SHIPPED):
        return Path(text)
    name = text[len(SHIPPED) :]
    if (COPIES / name).is_file():
        return COPIES / name
    data = require("pybullet_data", f"the mesh '{text}'", "sim")
    return Path(data.getDataPath()) / name
