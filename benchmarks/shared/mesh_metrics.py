"""How near a predicted mesh comes to the true ones: overlap, distances, normals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree

TOLERANCE = 0.01
"""A point counts as met within this share of the cube's side, 3 mm of 0.30 m: that of Occupancy
Networks (Mescheder et al. 2019), after which GIGA measures."""
MARGIN = 0.005
"""Places are drawn so far (m) around the two shapes."""


class Likeness(NamedTuple):
    """A predicted shape against the true one.

    Attributes:
        iou: volume of the intersection over that of the union.
        chamfer: mean of the mean distances from each surface to the other, metres (Chamfer-L1).
        normals: mean absolute cosine between the normals of nearest points, both ways.
        f_score: harmonic mean of the shares of each surface within the tolerance of the other.
    """

    iou: float
    chamfer: float
    normals: float
    f_score: float


def likeness(
    predicted: trimesh.Trimesh,
    bodies: Sequence[trimesh.Trimesh],
    side: float,
    rng: np.random.Generator,
    *,
    points: int = 100_000,
) -> Likeness:
    """Compare a predicted surface with the watertight meshes of the bodies that are there.

    Args:
        predicted: one closed mesh; without faces it is unlike everything.
        bodies: one mesh each; places in any of them are inside.
        side: of the workspace cube, metres.
        rng: draws the points.
        points: on either surface, and as many in and around both volumes.

    Raises:
        ValueError: there are no bodies.
    """
    if not bodies:
        raise ValueError("there are no bodies to compare with; give a scene with some")
    if not len(predicted.faces):
        return Likeness(0.0, float("nan"), 0.0, 0.0)
    true = trimesh.util.concatenate(list(bodies))
    places = _around([predicted, true], rng, points)
    inside = np.any([body.contains(places) for body in bodies], axis=0)
    guessed = predicted.contains(places)
    iou = (inside & guessed).sum() / max((inside | guessed).sum(), 1)
    ours, theirs = _surface(predicted, rng, points), _surface(true, rng, points)
    there, back = _nearest(ours, theirs), _nearest(theirs, ours)
    limit = TOLERANCE * side
    precision, recall = (float((distance <= limit).mean()) for distance, _ in (there, back))
    return Likeness(
        float(iou),
        float(there[0].mean() + back[0].mean()) / 2,
        float(there[1].mean() + back[1].mean()) / 2,
        2 * precision * recall / max(precision + recall, 1e-12),
    )


def _around(
    meshes: Sequence[trimesh.Trimesh], rng: np.random.Generator, count: int
) -> NDArray[np.float64]:
    """Places (n, 3), uniform in the box around meshes."""
    bounds = np.stack([mesh.bounds for mesh in meshes])
    return rng.uniform(bounds[:, 0].min(0) - MARGIN, bounds[:, 1].max(0) + MARGIN, (count, 3))


def _surface(
    mesh: trimesh.Trimesh, rng: np.random.Generator, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points (n, 3) on a surface, uniform by area, and the normals there."""
    found, face = trimesh.sample.sample_surface(mesh, count, seed=int(rng.integers(2**31)))
    return np.asarray(found), mesh.face_normals[face]


def _nearest(
    first: tuple[NDArray, NDArray], second: tuple[NDArray, NDArray]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance (n,) from points to the nearest of others, and |cosine| (n,) of their normals."""
    distance, index = cKDTree(second[0]).query(first[0])
    return distance, np.abs((first[1] * second[1][index]).sum(1))
