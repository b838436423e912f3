"""Shapes that tasks are made of: moving parts of furniture, and prisms over an outline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pybullet

Box = tuple[Sequence[float], Sequence[float]]
"""Half sizes and offset of a box, m."""


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
