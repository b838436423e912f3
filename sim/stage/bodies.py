"""What bodies on a stage are made of: solids for `Stage.add`, boxes, moving parts of furniture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pybullet

PlacedBox = tuple[Sequence[float], Sequence[float]]
"""Half sizes of a box, and its middle in the frame of the body or of the part's joint, m."""


class Solid(NamedTuple):
    """One convex solid.

    Attributes:
        seen, touched: arguments of PyBullet's `createVisualShape` and `createCollisionShape`.
    """

    seen: dict[str, Any]
    touched: dict[str, Any]


def box(half: Sequence[float]) -> Solid:
    """A box with half sizes `half` (3,), m."""
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

    boxes: Sequence[PlacedBox]
    at: tuple[float, float, float]
    colour: tuple[float, float, float]
    axis: tuple[float, float, float]
    slides: bool
    limits: tuple[float, float]
    drag: float = 0.0
    spring: float = 0.0
    mass: float = 0.1


def link_arguments(shapes: Sequence[tuple[int, int]], parts: Sequence[Part]) -> dict[str, list]:
    """Arguments of PyBullet's `createMultiBody` that describe moving parts.

    Args:
        shapes: PyBullet's numbers of each part's collision and visual shape.
        parts: in the order of their links.
    """
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
    """An upright prism over an anticlockwise convex outline, its middle at height 0.

    Args:
        outline: (n, 2) metres.
        height: m.

    Returns:
        vertices (2 n, 3) in metres, and triangles (4 n - 4, 3) as numbers of vertices.
    """
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
