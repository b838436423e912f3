"""Solid meshes: reading, watertight check, union, scaling to the gripper, convex parts.

A mesh that cannot serve as a solid raises `MeshFault` with the reason, so that a collection can
name it and go on.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import manifold3d
import numpy as np
import trimesh

from sim.objects.rule import ObjectRule
from sim.objects.spec import MeshFault, ObjectSpec

MESH_SUFFIXES = (".obj", ".stl", ".ply", ".glb", ".off")
MAX_FACES = 4000
"""Meshes with more triangles are simplified."""
SIMPLIFY_TOLERANCE = 2e-4
"""Largest displacement of the surface by simplification, in metres at the final scale."""
SLIVER = 1e-5
"""Details below this size (metres) do not survive being written with finite digits."""
CONVEX_RATIO = 0.98
"""A mesh that fills this share of its convex hull needs no decomposition."""
MAX_CONVEX_PARTS = 24
MAX_FLAPS = 20
"""So many stray triangles of a scan are left out; more make an open surface."""


def read_mesh(path: Path) -> trimesh.Trimesh:
    """Read a mesh file as one triangle mesh, in the file's own units.

    Coincident vertices are merged unless the mesh is watertight as it stands: two bodies that touch
    along an edge would become one with a crowded edge.

    Raises:
        MeshFault: if the file is unreadable, empty or holds coordinates that are not finite.
    """
    try:
        mesh = trimesh.load(path, force="mesh", process=False)
    except Exception as error:  # every importer has exceptions of its own
        raise MeshFault(f"cannot be read ({type(error).__name__}: {error})") from error
    if not isinstance(mesh, trimesh.Trimesh) or len(mesh.faces) == 0:
        raise MeshFault("holds no triangles")
    if not np.isfinite(mesh.vertices).all():
        raise MeshFault("holds coordinates that are not finite")
    mesh = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    if mesh.is_watertight:
        return mesh
    mesh.merge_vertices()
    mesh.update_faces(mesh.nondegenerate_faces() & mesh.unique_faces())
    mesh.remove_unreferenced_vertices()
    return mesh


def load_mesh(spec: ObjectSpec) -> trimesh.Trimesh:
    """The object's watertight mesh at unit scale, in its base frame. Shared: do not modify it."""
    return _load_mesh(spec.mesh)


@lru_cache(maxsize=4096)
def _load_mesh(path: Path) -> trimesh.Trimesh:
    return read_mesh(path)


def read_obj_parts(path: Path) -> list[trimesh.Trimesh]:
    """Convex hulls of the objects ("o" or "g") of an OBJ file: how Bullet reads a collision mesh.

    Raises:
        MeshFault: if no object of the file spans a volume.
    """
    try:
        points, groups = _obj_groups(path.read_text(errors="replace"))
        hulls = [hull(points[sorted(group)]) for group in groups if len(group) >= 4]
    except (ValueError, IndexError) as error:
        raise MeshFault(f"refers to '{path.name}', which is no readable OBJ ({error})") from error
    parts = [part for part in hulls if part is not None]
    if not parts:
        raise MeshFault("holds no part that spans a volume")
    return parts


def _obj_groups(text: str) -> tuple[np.ndarray, list[set[int]]]:
    """Vertices (n, 3) of an OBJ file, and the numbers of those that each object uses."""
    vertices: list[list[float]] = []
    groups: list[set[int]] = [set()]
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] in ("o", "g"):
            groups.append(set())
        elif words[0] == "v":
            vertices.append([float(x) for x in words[1:4]])
        elif words[0] == "f":
            for word in words[1:]:
                index = int(word.split("/")[0])
                groups[-1].add(index - 1 if index > 0 else len(vertices) + index)
    return np.array(vertices, dtype=np.float64).reshape(-1, 3), groups


def hull(points: np.ndarray) -> trimesh.Trimesh | None:
    """Convex hull of (n, 3) points, None if they span no volume."""
    solid = manifold3d.Manifold.hull_points(np.asarray(points, dtype=np.float64))
    return None if solid.is_empty() or solid.volume() <= 0.0 else from_manifold(solid)


def to_manifold(mesh: trimesh.Trimesh) -> manifold3d.Manifold:
    """The mesh as a solid.

    Raises:
        MeshFault: if it is not an oriented manifold.
    """
    solid = manifold3d.Manifold(
        manifold3d.Mesh64(
            np.ascontiguousarray(mesh.vertices, dtype=np.float64),
            np.ascontiguousarray(mesh.faces, dtype=np.uint64),
        )
    )
    if solid.status() != manifold3d.Error.NoError:
        raise MeshFault(f"is not an oriented manifold ({solid.status().name})")
    return solid


def from_manifold(solid: manifold3d.Manifold) -> trimesh.Trimesh:
    """A solid's surface, outward oriented."""
    mesh = solid.to_mesh64()
    return trimesh.Trimesh(
        np.array(mesh.vert_properties[:, :3]),
        np.array(mesh.tri_verts, dtype=np.int64),
        process=False,
    )


def union(parts: Iterable[trimesh.Trimesh]) -> trimesh.Trimesh:
    """Boolean union of watertight parts: one watertight surface without inner walls.

    Raises:
        MeshFault: if a part is no solid, or nothing is left.
    """
    solid = manifold3d.Manifold.batch_boolean(
        [to_manifold(part) for part in parts], manifold3d.OpType.Add
    )
    if solid.is_empty():
        raise MeshFault("spans no volume")
    return from_manifold(solid)


def solidify(mesh: trimesh.Trimesh, name: str = "a mesh") -> trimesh.Trimesh:
    """A watertight, outward oriented solid of the same shape; small holes are closed.

    Overlapping components are united and enclosed voids stay voids, so that an inside test by
    counting surface crossings is right. A few stray triangles that hang on a closed surface, as
    scans have them, are left out with a warning.

    Raises:
        MeshFault: if the surface stays open or spans no volume.
    """
    mesh = mesh.copy()
    if not mesh.is_watertight:
        trimesh.repair.fill_holes(mesh)
        mesh.merge_vertices()
    if not mesh.is_watertight:
        mesh = _without_flaps(mesh, name)
    if not mesh.is_winding_consistent:
        trimesh.repair.fix_normals(mesh, multibody=True)
    components = mesh.split(only_watertight=False)
    if len(components) <= 1:
        if mesh.volume < 0.0:
            mesh.invert()
        return from_manifold(to_manifold(mesh))
    return _unite_components(components)


def _without_flaps(mesh: trimesh.Trimesh, name: str) -> trimesh.Trimesh:
    """A surface without its stray triangles: those with an open edge, from the outside inwards."""
    closed, dropped = mesh.copy(), 0
    while dropped <= MAX_FLAPS and len(closed.faces):
        _, index, counts = np.unique(
            closed.edges_sorted, axis=0, return_inverse=True, return_counts=True
        )
        stray = (counts[index.reshape(-1)].reshape(-1, 3) == 1).any(1)
        if not stray.any():
            break
        dropped += int(stray.sum())
        closed.update_faces(~stray)
    if dropped > MAX_FLAPS or not len(closed.faces) or not closed.is_watertight:
        raise MeshFault(f"is not watertight ({_open_edges(mesh)} open or crowded edges)")
    warnings.warn(f"left {dropped} stray triangles out of {name}", stacklevel=3)
    closed.remove_unreferenced_vertices()
    return closed


def solidify_all(surfaces: Sequence[trimesh.Trimesh]) -> trimesh.Trimesh:
    """Union of several surfaces, each made a solid first.

    Raises:
        MeshFault: if there are none, or one is no solid.
    """
    if not surfaces:
        raise MeshFault("has no shapes")
    return union([solidify(surface) for surface in surfaces])


def _unite_components(components: Sequence[trimesh.Trimesh]) -> trimesh.Trimesh:
    solids = [to_manifold(c) for c in components if c.volume > 0.0]
    voids = []
    for component in components:
        if component.volume < 0.0:
            component.invert()
            voids.append(to_manifold(component))
    if not solids:  # every component is inside out: the file's winding is reversed
        solids, voids = voids, []
    solid = manifold3d.Manifold.batch_boolean(solids, manifold3d.OpType.Add)
    for void in voids:
        solid -= void
    if solid.is_empty():
        raise MeshFault("spans no volume")
    return from_manifold(solid)


def _open_edges(mesh: trimesh.Trimesh) -> int:
    _, counts = np.unique(mesh.edges_sorted, axis=0, return_counts=True)
    return int((counts != 2).sum())


def simplify(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Drop the slivers that unions leave, and triangles beyond need from fine meshes.

    The surface moves by at most 0.01 mm, or 0.2 mm if there are more than MAX_FACES triangles.
    """
    tolerance = SIMPLIFY_TOLERANCE if len(mesh.faces) > MAX_FACES else SLIVER
    return from_manifold(to_manifold(mesh).simplify(tolerance))


def recentre(mesh: trimesh.Trimesh) -> np.ndarray:
    """(3,) translation that puts the centre of the bounding box at the origin."""
    return -mesh.bounds.mean(axis=0)


def convex_parts(mesh: trimesh.Trimesh) -> list[trimesh.Trimesh]:
    """Convex decomposition by CoACD; the hull alone if the mesh is (nearly) convex.

    Raises:
        MeshFault: if the decomposition leaves nothing.
    """
    whole = hull(mesh.vertices)
    if whole is None:
        raise MeshFault("spans no volume")
    if mesh.volume >= CONVEX_RATIO * whole.volume:
        return [whole]
    import coacd  # only here: its library takes long to load

    coacd.set_log_level("error")
    found = coacd.run_coacd(
        coacd.Mesh(np.asarray(mesh.vertices), np.asarray(mesh.faces)),
        threshold=0.05,
        max_convex_hull=MAX_CONVEX_PARTS,
        preprocess_mode="off",
        mcts_iterations=100,
        seed=0,
    )
    parts = [part for part in (hull(np.asarray(v)) for v, _ in found) if part is not None]
    if not parts:
        raise MeshFault("has an empty convex decomposition")
    return parts


def place(
    bodies: Sequence[trimesh.Trimesh], turn: np.ndarray, units: float, rule: ObjectRule
) -> tuple[trimesh.Trimesh, list[trimesh.Trimesh]]:
    """Bring a solid and its convex parts into the object frame: turned, recentred, scaled.

    Args:
        bodies: the solid first, then its parts; not modified.
        turn: (4, 4) rotation, for example into an upright pose.
        units: metres per unit of the meshes.
        rule: says how large it may be.

    Returns:
        The solid and its parts, the centre of the solid's bounding box at the origin.

    Raises:
        MeshFault: if no size fits the gripper.
    """
    solid, *parts = (mesh.copy() for mesh in bodies)
    for mesh in (solid, *parts):
        mesh.apply_transform(turn)
    scale = units * rule.scale(solid.extents * units)
    shift = recentre(solid)
    for mesh in (solid, *parts):
        mesh.apply_translation(shift)
        mesh.apply_scale(scale)
    return solid, parts
