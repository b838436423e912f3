"""Adversarial shapes over a grid of complexity and difficulty, after the idea of EGAD.

EGAD (Morrison et al., "EGAD! an Evolved Grasping Analysis Dataset", RA-L 2020) fills a grid of
geometric complexity and grasp difficulty with evolved shapes. These are drawn instead: unions of
convex pieces. A shape of complexity c has c lobes on its core; with difficulty its pieces turn from
boxes, whose sides face each other, into slanted pyramids on odd polygons, which offer a parallel
jaw nothing of the kind. A cell is called by a letter for complexity and a digit for difficulty,
A0 to G6.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from sim.objects import meshes, solids
from sim.objects.rule import ObjectRule
from sim.objects.solids import Solid

VERSION = 1
"""Part of every cached object's key: raise it when a shape changes."""
SEED = 20261128
LETTERS, DIGITS = "ABCDEFG", "0123456"
CELLS = tuple(letter + digit for letter in LETTERS for digit in DIGITS)
"""Names of the 49 cells."""
EDGES = {"easy": 4, "hard": (3, 5)}
"""Sides of the polygons that pieces stand on."""
CORE = 0.045
"""Half the diagonal of the core, metres, before the size rule."""
LOBES = (0.45, 0.7)
"""Sizes of lobes as shares of the core's."""
NARROWEST = 0.25
"""Top of the most slanted piece, as a share of its foot."""
SHEAR = 0.5
"""How far the top of the most slanted piece lies beside its foot, as a share of the height."""
CELL_NAME = re.compile(r"(?:.*/)?([A-Z]\d{1,2})(?:-\d+)?")


@dataclass(frozen=True, eq=False)
class AdversarialObject:
    """Watertight surface and convex parts in the object frame."""

    solid: trimesh.Trimesh
    parts: list[trimesh.Trimesh]


def cell_of(object_id: str) -> str:
    """The cell of an object by its name: "adversarial/C3-0" and EGAD's own "C3" lie in "C3".

    Objects of other names lie in no cell, "".
    """
    found = CELL_NAME.fullmatch(object_id)
    return found[1] if found else ""


def generate(cell: str, variant: int, rule: ObjectRule) -> AdversarialObject:
    """A shape of a cell: the same cell and number give the same shape.

    Raises:
        ValueError: there is no such cell, or the number is negative.
    """
    if cell not in CELLS:
        raise ValueError(f"the cell is '{cell}'; cells are {CELLS[0]} to {CELLS[-1]}")
    if variant < 0:
        raise ValueError(f"variant is {variant}; variants count from 0")
    rng = np.random.default_rng([SEED, CELLS.index(cell), variant, rule.seed_number])
    lobes, slant = LETTERS.index(cell[0]), DIGITS.index(cell[1]) / (len(DIGITS) - 1)
    solid = _shape(lobes, slant, rng)
    bodies = [meshes.from_manifold(m) for m in (solid.surface, *solid.parts)]
    return AdversarialObject(*meshes.place(bodies, np.eye(4), 1.0, rule))


def _shape(lobes: int, slant: float, rng: np.random.Generator) -> Solid:
    """A core with lobes whose middles lie within it, so that all hold together."""
    pieces = [_piece(CORE, slant, rng)]
    directions = Rotation.random(max(lobes, 1), random_state=rng).as_matrix()[:, :, 2]
    for direction in directions[:lobes]:
        lobe = _piece(CORE * rng.uniform(*LOBES), slant, rng)
        turn = Rotation.random(random_state=rng).as_euler("xyz", degrees=True)
        lobe = lobe.turn(*turn)
        reach = _surface_distance(pieces[0], direction) * rng.uniform(0.75, 0.95)
        pieces.append(lobe.move(*(reach * direction)))
    return solids.join(pieces)


def _piece(size: float, slant: float, rng: np.random.Generator) -> Solid:
    """A box at slant 0, a leaning pyramid stump on a triangle or pentagon at slant 1; centred."""
    odd = rng.random() < slant
    edges = int(rng.choice(EDGES["hard"])) if odd else EDGES["easy"]
    angles = 2 * np.pi * (np.arange(edges) + 0.5) / edges
    foot = size * np.stack([np.cos(angles), np.sin(angles) * rng.uniform(0.6, 1.0)], 1)
    height = size * rng.uniform(1.0, 1.8)
    lean = SHEAR * slant * height * rng.uniform(0.5, 1.0)
    away = 2 * np.pi * rng.random()
    top = foot * (1 - (1 - NARROWEST) * slant)
    top = top + lean * np.array([np.cos(away), np.sin(away)])
    corners = np.concatenate(
        [np.c_[foot, np.full(edges, -height / 2)], np.c_[top, np.full(edges, height / 2)]]
    )
    return solids.hull_of(corners - corners.mean(axis=0))


def _surface_distance(solid: Solid, direction: np.ndarray) -> float:
    """Distance from the origin, inside a convex solid, to its surface along a direction."""
    mesh = meshes.from_manifold(solid.surface)
    away = mesh.face_normals @ direction
    offset = np.einsum("ij,ij->i", mesh.face_normals, mesh.triangles[:, 0])
    return float(min(offset[away > 1e-9] / away[away > 1e-9]))
