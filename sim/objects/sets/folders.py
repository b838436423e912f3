"""Folders of the user: the published URDF layout, or meshes and URDFs side by side.

The published layout (VGN, GIGA, EVG: {packed,pile}/{train,test}/NAME.urdf) is used as it is. Any
other file is checked when listed, and scaled to the gripper and decomposed when first used: that
takes seconds per concave mesh. `python -m sim.objects prepare` does it beforehand, in parallel.
What a URDF says of mass and friction counts; a scaled object has the density that its own size
gives.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import trimesh

from equigrasp.data.files import write_json
from sim.objects import meshes
from sim.objects.cache import FRICTION, content_key, fetch, store, writing
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
from sim.objects.urdf import find_mesh, mentioned_meshes, read_urdf


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
    objects = _not_used_by_urdfs(files)
    specs = _each(objects, faults, lambda p: _imported(p, folder, rule, cache))
    if split == "all" or rule.test_only:
        return specs if split in ("all", "test") else []
    group = group_names(objects, folder)
    return [s for s in specs if split_of(group[s.object_id]) == split]


def group_names(files: Sequence[Path], root: Path) -> dict[str, str]:
    """What decides an object's split, by its id: most often the id itself.

    Files of the same content are one object, and so are variants in the folders of one: where
    the last names of a path come up in several folders ("google_16k/textured"), the object is the
    folder above them.

    Args:
        files: of objects.
        root: of the set.
    """
    paths = sorted(path.relative_to(root).with_suffix("").parts for path in files)
    above: dict[str, set[tuple[str, ...]]] = {}
    for parts in paths:
        for depth, part in enumerate(parts):
            above.setdefault(part, set()).add(parts[:depth])
    same: dict[str, str] = {}
    found = {}
    for path in sorted(files):
        parts = path.relative_to(root).with_suffix("").parts
        own = len(parts)
        while own > 1 and len(above[parts[own - 1]]) > 1:
            own -= 1
        group = "/".join(parts[:own])
        content = hashlib.sha256(b"".join(_content(path))).hexdigest()
        found["/".join(parts)] = same.setdefault(content, group)
    return found


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
        except (ValueError, LookupError, TypeError, ArithmeticError) as error:
            # one damaged file among many must not stop the others
            reason = f"cannot be used ({type(error).__name__}: {error})"
            faults.append(Fault(str(path), reason))
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
        with writing(cache):
            write_json(note, found, indent=None)
    if found["fault"]:
        raise MeshFault(found["fault"])
    return tuple(found["extents"])


class Placed(NamedTuple):
    """A user's object in its object frame, scaled to the hand.

    Attributes:
        solid: watertight surface.
        parts: convex ones that its file gives; none of a mesh.
        mass: kg; None where the file tells none.
        friction: lateral.
    """

    solid: trimesh.Trimesh
    parts: list[trimesh.Trimesh]
    mass: float | None
    friction: float


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
        made = self.placed()
        solid = meshes.simplify(made.solid)
        parts = made.parts or meshes.convex_parts(solid)
        return store(folder, self.object_id, solid, parts, made.mass, made.friction)

    def placed(self) -> Placed:
        """The object as its file describes it, checked and scaled to the hand."""
        if self.path.suffix.lower() != ".urdf":
            bodies = [meshes.solidify(meshes.read_mesh(self.path), str(self.path))]
            return Placed(*meshes.place(bodies, np.eye(4), 1.0, self.rule), None, FRICTION)
        urdf = read_urdf(self.path)
        own = meshes.solidify_all(urdf.surfaces("visual") or urdf.surfaces("collision"))
        bodies = [own, *urdf.convex_parts()]
        solid, parts = meshes.place(bodies, np.eye(4), 1.0, self.rule)
        mass, friction = urdf.mass, urdf.friction_or(FRICTION)
        if mass < 0.0 or friction < 0.0:
            raise MeshFault(f"has a mass of {mass:g} kg and a friction of {friction:g}; need >= 0")
        return Placed(solid, parts, mass * solid.volume / own.volume or None, friction)


def _imported(path: Path, root: Path, rule: ObjectRule, cache: Path) -> ObjectSpec:
    """Check a file now, so that it can be named if it is broken; decompose it when it is used."""
    object_id = path.relative_to(root).with_suffix("").as_posix()
    key = content_key(object_id, str(rule.sizes), *_told(path), *_content(path))
    maker = UserFile(object_id, path, rule, cache, key)
    _remembered(cache, key, lambda: maker.placed().solid.extents)
    return LazyObjectSpec(object_id, "user", maker)


def _not_used_by_urdfs(files: list[Path]) -> list[Path]:
    """URDFs, and the meshes that none of them mentions, be it a URDF that is refused."""
    used: set[Path] = set()
    lost: set[str] = set()
    for urdf in (path for path in files if path.suffix.lower() == ".urdf"):
        for name in mentioned_meshes(urdf):
            found = find_mesh(urdf, name)
            if found.is_file():
                used.add(found.resolve())
            else:  # an address that leads nowhere: no mesh of that name is an object of its own
                lost.add(found.name.lower())
    return [p for p in files if p.resolve() not in used and p.name.lower() not in lost]


def _told(path: Path) -> list[str]:
    """What of a file counts beside its shape. Caches of before hold URDFs with other masses."""
    return ["mass, friction"] if path.suffix.lower() == ".urdf" else []


def _content(path: Path) -> list[bytes]:
    """Bytes of a mesh; of a URDF also those of the meshes that it mentions."""
    names = mentioned_meshes(path) if path.suffix.lower() == ".urdf" else []
    meant = (find_mesh(path, name) for name in names)
    return [path.read_bytes(), *(each.read_bytes() for each in meant if each.is_file())]
