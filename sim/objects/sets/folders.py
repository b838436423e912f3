"""Folders of the user: the published URDF layout, or meshes and URDFs side by side.

The published layout (VGN, GIGA, EVG: {packed,pile}/{train,test}/NAME.urdf) is used as it is. Any
other file is checked when listed, and scaled to the gripper and decomposed when first used: that
takes seconds per concave mesh. `python -m sim.objects prepare` does it beforehand, in parallel.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh

from equigrasp.data.files import write_json
from sim.objects import meshes
from sim.objects.cache import content_key, fetch, store
from sim.objects.meshes import MESH_SUFFIXES
from sim.objects.rule import ObjectRule
from sim.objects.spec import (
    Fault,
    LazyObjectSpec,
    MeshFault,
    ObjectSpec,
    PreparedObject,
    split_of,
)
from sim.objects.urdf import read_urdf


def load(
    folder: Path, rule: ObjectRule, split: str, cache: Path, faults: list[Fault]
) -> list[ObjectSpec]:
    """Objects of a folder in a split; what is broken goes to `faults`."""
    layout = folder / rule.folder
    if (layout / "train").is_dir() or (layout / "test").is_dir():
        return _published(layout, split, cache, faults)
    files = sorted(
        p
        for p in folder.rglob("*")
        if p.suffix.lower() in (*MESH_SUFFIXES, ".urdf") and p.is_file()
    )
    specs = _each(_not_used_by_urdfs(files), faults, lambda p: _imported(p, folder, rule, cache))
    if rule.test_only:
        return specs if split in ("all", "test") else []
    return [s for s in specs if split in ("all", split_of(s.object_id))]


def _published(layout: Path, split: str, cache: Path, faults: list[Fault]) -> list[ObjectSpec]:
    """Train and test as their folders say; part of train is held out for validation by hash.

    Without a test folder the train folder is divided 80/10/10 by hash.
    """
    train, test = (sorted((layout / part).glob("*.urdf")) for part in ("train", "test"))
    test_names = {p.stem for p in test}
    chosen = [p for p in test if split in ("all", "test")]
    for path in train:
        part = split_of(path.stem)
        if test and part == "test":
            part = "train"
        if split in ("all", part) and path.stem not in test_names:
            chosen.append(path)
    return _each(chosen, faults, lambda p: _as_it_is(p, cache))


def _each(
    paths: list[Path], faults: list[Fault], make: Callable[[Path], ObjectSpec]
) -> list[ObjectSpec]:
    specs: dict[str, ObjectSpec] = {}
    for path in paths:
        try:
            spec = make(path)
        except MeshFault as fault:
            faults.append(Fault(str(path), str(fault)))
            continue
        if spec.object_id in specs:
            faults.append(Fault(str(path), "has the name of another file beside it"))
        specs.setdefault(spec.object_id, spec)
    return list(specs.values())


def _as_it_is(path: Path, cache: Path) -> ObjectSpec:
    """A URDF that is loaded unchanged: its only visual mesh, in place, is the surface."""
    urdf = read_urdf(path)
    mesh = urdf.mesh_file("visual")
    if mesh is None or not mesh.is_file():
        raise MeshFault("has no single visual mesh at scale 1 in the base frame")
    collision = urdf.mesh_file("collision")
    if collision is not None and not collision.is_file():
        raise MeshFault(f"refers to a missing mesh '{collision.name}'")
    if urdf.mass <= 0.0:
        raise MeshFault("has no mass: PyBullet would take it for a fixture")
    extents = _checked_extents(mesh, cache)
    return ObjectSpec(path.stem, path, mesh, extents, urdf.mass, urdf.friction, "published")


def _checked_extents(mesh: Path, cache: Path) -> tuple[float, float, float]:
    """Sides of a mesh that has been found watertight."""
    return _remembered(cache, content_key(mesh.read_bytes()), lambda: _sound_extents(mesh))


def _sound_extents(path: Path) -> np.ndarray:
    mesh = meshes.read_mesh(path)
    if not mesh.is_watertight:
        raise MeshFault("is not watertight")
    if mesh.volume <= 0.0:
        raise MeshFault("is inside out: its faces point inwards")
    return mesh.extents


def _remembered(
    cache: Path, key: str, inspect: Callable[[], np.ndarray]
) -> tuple[float, float, float]:
    """The extents that an inspection gave, or the fault it raised, now or in an earlier run."""
    note = cache / "checked" / f"{key}.json"
    try:
        found = json.loads(note.read_text())
    except FileNotFoundError:
        try:
            found = {"fault": None, "extents": [float(x) for x in inspect()]}
        except MeshFault as fault:
            found = {"fault": str(fault), "extents": None}
        write_json(note, found, indent=None)
    if found["fault"]:
        raise MeshFault(found["fault"])
    return tuple(found["extents"])


@dataclass(frozen=True)
class UserFile:
    """Makes a mesh or URDF an object, scaled to the hand; the key tells its contents."""

    object_id: str
    path: Path
    rule: ObjectRule
    cache: Path
    key: str

    def prepare(self) -> PreparedObject:
        """The object, from the cache or made now; decomposing a concave mesh takes seconds."""
        folder = self.cache / "objects" / f"user-{self.path.stem}-{self.rule.folder}-{self.key}"
        found = fetch(folder)
        if found is not None:
            return found
        solid, parts = self.placed()
        solid = meshes.simplify(solid)
        return store(folder, self.object_id, solid, parts or meshes.convex_parts(solid))

    def placed(self) -> tuple[trimesh.Trimesh, list[trimesh.Trimesh]]:
        """The checked solid in its object frame, and the convex parts that a URDF gives."""
        if self.path.suffix.lower() != ".urdf":
            bodies = [meshes.solidify(meshes.read_mesh(self.path))]
        else:
            urdf = read_urdf(self.path)
            solid = meshes.solidify_all(urdf.surfaces("visual") or urdf.surfaces("collision"))
            bodies = [solid, *urdf.convex_parts()]
        return meshes.place(bodies, np.eye(4), 1.0, self.rule)


def _imported(path: Path, root: Path, rule: ObjectRule, cache: Path) -> ObjectSpec:
    """Check a file now, so that it can be named if it is broken; decompose it when it is used."""
    object_id = path.relative_to(root).with_suffix("").as_posix()
    used = _mesh_files(path) if path.suffix.lower() == ".urdf" else []
    data = [path.read_bytes(), *(p.read_bytes() for p in used if p.is_file())]
    key = content_key(object_id, str(rule.sizes), *data)
    maker = UserFile(object_id, path, rule, cache, key)
    _remembered(cache, key, lambda: maker.placed()[0].extents)
    return LazyObjectSpec(object_id, "user", maker)


def _not_used_by_urdfs(files: list[Path]) -> list[Path]:
    """URDFs, and the meshes that none of them refers to."""
    used = {
        mesh.resolve()
        for path in files
        if path.suffix.lower() == ".urdf"
        for mesh in _mesh_files(path)
    }
    return [p for p in files if p.resolve() not in used]


def _mesh_files(urdf: Path) -> list[Path]:
    try:
        link = read_urdf(urdf).link
    except MeshFault:
        return []
    return [urdf.parent / m.get("filename", "") for m in link.iter("mesh")]
