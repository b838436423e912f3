"""Shapes that tasks are made of: solids for `Stage.add`, and moving parts of furniture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pybullet

Box = tuple[Sequence[float], Sequence[float]]
"""Half sizes and offset of a box, m."""


class Solid(NamedTuple):
    """Arguments of PyBullet's visual and collision shape of one solid."""

    seen: dict[str, Any]
    touched: dict[str, Any]


def box(half: Sequence[float]) -> Solid:
    """A box of half sizes `half`, m."""
    shape = {"shapeType": pybullet.GEOM_BOX, "halfExtents": list(half)}
    return Solid(shape, shape)


def cylinder(radius: float, height: float) -> Solid:
    """An upright cylinder, m."""
    shape = {"shapeType": pybullet.GEOM_CYLINDER, "radius": radius}
    return Solid({**shape, "length": height}, {**shape, "height": height})


def prism(outline: np.ndarray, height: float) -> Solid:
    """An upright prism over an anticlockwise convex outline (n, 2), m."""
    vertices, faces = prism_mesh(outline, height)
    mesh = {"shapeType": pybullet.GEOM_MESH, "vertices": vertices.tolist()}
    return Solid({**mesh, "indices": faces.ravel().tolist()}, mesh)


@dataclass(frozen=True)
class Part:
    """A moving part of `Stage.jointed`.

    Attributes:
        boxes: what it is made of: (half sizes, offset from the joint), m.
        at: where its joint is, in the frame of the furniture.
        colour: red, green, blue in [0, 1].
        axis: of the joint.
        slides: whether it slides along the axis, or turns about it.
        limits: of the joint, m or rad.
        drag: force (N) or torque (Nm) that slows it down.
        spring: the same that brings it back to 0; 0 for none.
        mass: kg.
    """

    boxes: Sequence[Box]
    at: tuple[float, float, float]
    colour: tuple[float, float, float]
    axis: tuple[float, float, float]
    slides: bool
    limits: tuple[float, float]
    drag: float = 0.0
    spring: float = 0.0
    mass: float = 0.1


def link_arguments(shapes: Sequence[tuple[int, int]], parts: Sequence[Part]) -> dict[str, list]:
    """Arguments of `createMultiBody` for parts with the given collision and visual shapes."""
    upright = [[0.0, 0.0, 0.0, 1.0]] * len(parts)
    return {
        "linkMasses": [part.mass for part in parts],
        "linkCollisionShapeIndices": [solid for solid, _ in shapes],
        "linkVisualShapeIndices": [seen for _, seen in shapes],
        "linkPositions": [list(part.at) for part in parts],
        "linkOrientations": upright,
        "linkInertialFramePositions": [list(part.boxes[0][1]) for part in parts],
        "linkInertialFrameOrientations": upright,
        "linkParentIndices": [0] * len(parts),
        "linkJointTypes": [
            pybullet.JOINT_PRISMATIC if part.slides else pybullet.JOINT_REVOLUTE for part in parts
        ],
        "linkJointAxis": [list(part.axis) for part in parts],
    }


def prism_mesh(outline: np.ndarray, height: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (2 n, 3) and triangles of an upright prism over an anticlockwise convex outline."""
    outline = np.asarray(outline, float)
    n = len(outline)
    below = np.column_stack([outline, np.full(n, -height / 2)])
    above = np.column_stack([outline, np.full(n, height / 2)])
    faces = []
    for i in range(n):
        j = (i + 1) % n
        faces += [(i, j, n + j), (i, n + j, n + i)]
    for i in range(1, n - 1):
        faces += [(0, i + 1, i), (n, n + i, n + i + 1)]
    return np.vstack([below, above]), np.array(faces)
